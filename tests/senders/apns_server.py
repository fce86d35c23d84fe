"""A server that behaves like the Apple Push Notification service: HTTP/2 over TLS.

It checks what Apple checks: the provider token's signature, key, team and age, the topic, the push type with its
priority, the lengths of headers, and the payload's size.
"""

import asyncio
import json
import re
import time
import uuid
from typing import Any, NamedTuple

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, DataReceived, RequestReceived, StreamEnded
from h2.settings import SettingCodes

from senders.apns import ApnsKey
from tests.senders.certificates import Trust

TOPIC = "eg.daira.app"
_TOKEN = re.compile(r"[0-9a-f]{64}")


class Answer(NamedTuple):
    status: int
    reason: str = ""
    timestamp: int | None = None
    retry_after: str = ""


class ApnsServer:
    def __init__(self, trust: Trust) -> None:
        self._trust = trust
        self._key = generate_private_key(SECP256R1())
        self._server: asyncio.Server | None = None
        self.connections: list[_Connection] = []
        self.most_streams = 1_000
        self.answers_together = 1  # requests wait until so many have come
        self.provider_tokens: set[str] = set()
        self.expired: set[str] = set()
        self.registered = {"a" * 64}
        self.received: list[tuple[dict[str, str], dict[str, Any]]] = []  # headers and payload
        self.answers: list[Answer] = []  # to the next requests, instead of what the server would answer
        self.keeps_silent = asyncio.Event()  # set: requests get no answer
        self.asked = asyncio.Event()

    async def start(self, port: int = 0) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", port, ssl=self._trust.server)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"https://localhost:{self.port}"

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for connection in self.connections:
            connection.abort()

    def key(self, **changes: str) -> ApnsKey:
        pem = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        return ApnsKey(**{"pem": pem, "key_id": "KEY1234567", "team_id": "TEAM123456", **changes})

    def answer(self, headers: dict[str, str], body: bytes) -> Answer:
        refusal = self._refusal(headers, body)
        if refusal is not None:
            return refusal
        if self.answers:
            return self.answers.pop(0)
        self.received.append((headers, json.loads(body)))
        return Answer(200)

    def _refusal(self, headers: dict[str, str], body: bytes) -> Answer | None:
        """Return what is wrong with a request, in the order in which Apple looks at it."""
        match = re.fullmatch(r"/3/device/(.*)", headers[":path"])
        if headers[":method"] != "POST" or match is None:
            return Answer(404, "BadPath")
        refusal = self._refusal_of_token(headers.get("authorization", ""))
        if refusal is not None:
            return refusal
        if headers.get("apns-topic") != TOPIC:
            return Answer(400, "TopicDisallowed")
        is_background = headers.get("apns-push-type") == "background"
        if not is_background and headers.get("apns-push-type") != "alert":
            return Answer(400, "InvalidPushType")
        if headers.get("apns-priority") not in (["5"] if is_background else ["5", "10"]):
            return Answer(400, "BadPriority")
        if not headers.get("apns-expiration", "").isdecimal():
            return Answer(400, "BadExpirationDate")
        if len(headers.get("apns-collapse-id", "").encode()) > 64:
            return Answer(400, "BadCollapseId")
        if str(uuid.UUID(headers["apns-id"])) != headers["apns-id"]:
            return Answer(400, "BadMessageId")
        if len(body) > 4_096:
            return Answer(413, "PayloadTooLarge")
        aps = json.loads(body)["aps"]
        if is_background != (aps == {"content-available": 1}):
            return Answer(400, "InvalidPushType")
        if not _TOKEN.fullmatch(match[1]) or match[1] not in self.registered:
            return Answer(400, "BadDeviceToken")
        return None

    def _refusal_of_token(self, authorization: str) -> Answer | None:
        scheme, _, token = authorization.partition(" ")
        if scheme != "bearer":
            return Answer(403, "MissingProviderToken")
        try:
            claims = jwt.decode(token, self._key.public_key(), ["ES256"], options={"require": ["iss", "iat"]})
        except jwt.InvalidTokenError:
            return Answer(403, "InvalidProviderToken")
        if jwt.get_unverified_header(token) != {"alg": "ES256", "kid": "KEY1234567", "typ": "JWT"}:
            return Answer(403, "InvalidProviderToken")
        if claims["iss"] != "TEAM123456":
            return Answer(403, "InvalidProviderToken")
        if token in self.expired or time.time() - claims["iat"] > 3_600:
            return Answer(403, "ExpiredProviderToken")
        self.provider_tokens.add(token)
        return None


class _Connection(asyncio.Protocol):
    def __init__(self, server: ApnsServer) -> None:
        self._server = server
        self._http = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self._requests: dict[int, tuple[dict[str, str], bytearray]] = {}
        self._complete: list[int] = []
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        assert transport.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
        self._transport = transport
        self._server.connections.append(self)
        self._http.initiate_connection()
        self._http.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: self._server.most_streams})
        self._write()

    def data_received(self, data: bytes) -> None:
        for event in self._http.receive_data(data):
            if isinstance(event, RequestReceived):
                self._requests[event.stream_id] = dict(event.headers), bytearray()
            elif isinstance(event, DataReceived):
                self._requests[event.stream_id][1].extend(event.data)
                self._http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, StreamEnded):
                self._server.asked.set()
                self._complete.append(event.stream_id)
                if len(self._complete) >= self._server.answers_together and not self._server.keeps_silent.is_set():
                    while self._complete:
                        self._answer(self._complete.pop())
            elif isinstance(event, ConnectionTerminated):
                self._transport.close()
        self._write()

    def go_away(self, *, closes: bool) -> None:
        """Send GOAWAY after the streams so far. closes: the connection, too, without a word."""
        self._http.close_connection(ErrorCodes.NO_ERROR)
        self._write()
        if closes:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _answer(self, stream_id: int) -> None:
        headers, body = self._requests.pop(stream_id)
        answer = self._server.answer(headers, bytes(body))
        sent = [(":status", str(answer.status)), ("apns-id", headers.get("apns-id", ""))]
        if answer.retry_after:
            sent.append(("retry-after", answer.retry_after))
        self._http.send_headers(stream_id, sent, end_stream=answer.status == 200)
        if answer.status != 200:
            said = {"reason": answer.reason, **({"timestamp": answer.timestamp} if answer.timestamp else {})}
            self._http.send_data(stream_id, json.dumps(said).encode(), end_stream=True)

    def _write(self) -> None:
        self._transport.write(self._http.data_to_send())
