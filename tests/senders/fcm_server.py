"""A server that behaves like Firebase Cloud Messaging and Google's token endpoint, over TLS.

It checks what Google checks: the signed assertion, the access token, the names of a message's fields, its size.
"""

import json
import time
from functools import cache
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from senders.google_token import ServiceAccount
from tests.senders.certificates import Trust

PROJECT = "daira-test"
SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
FIELDS = {"token", "notification", "data", "android", "apns"}
_TYPE = "type.googleapis.com/"


@cache
def _private_key() -> RSAPrivateKey:
    """Return the key of all servers of a run: making one takes a tenth of a second."""
    return generate_private_key(65_537, 2_048)


def fcm_error(status: int, name: str, code: str = "", field: str = "", **headers: str) -> web.Response:
    """Return an error in FCM's form. field: the one that is wrong."""
    details: list[dict[str, Any]] = []
    if code:
        details.append({"@type": f"{_TYPE}google.firebase.fcm.v1.FcmError", "errorCode": code})
    if field:
        violation = {"field": field, "description": "Invalid"}
        details.append({"@type": f"{_TYPE}google.rpc.BadRequest", "fieldViolations": [violation]})
    error = {"code": status, "message": "said in words that may change", "status": name, "details": details}
    return web.json_response(
        {"error": error}, status=status, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


class FcmServer:
    def __init__(self, trust: Trust) -> None:
        self._trust = trust
        self._key = _private_key()
        self._runner = web.AppRunner(self._app())
        self.tokens_granted = 0
        self.lifetime_s = 3_600
        self.valid_token = ""
        self.received: list[dict[str, Any]] = []
        self.answers: list[web.Response] = []  # to the next messages, instead of what the server would answer
        self.token_answers: list[web.Response] = []

    async def start(self) -> None:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._trust.server)
        await site.start()
        self.url = f"https://localhost:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        await self._runner.cleanup()

    def account(self, **changes: str) -> ServiceAccount:
        pem = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        account = {
            "project_id": PROJECT, "client_email": "daira@test.invalid", "private_key_id": "key-1", "private_key": pem,
            "token_uri": f"{self.url}/token", **changes,
        }  # fmt: skip
        return ServiceAccount(**account)

    def _app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/token", self._grant)
        app.router.add_post(f"/v1/projects/{PROJECT}/messages:send", self._send)
        return app

    async def _grant(self, request: web.Request) -> web.Response:
        form = await request.post()
        if self.token_answers:
            return self.token_answers.pop(0)
        assertion = str(form["assertion"])
        if form["grant_type"] != "urn:ietf:params:oauth:grant-type:jwt-bearer":
            return web.json_response({"error": "unsupported_grant_type"}, status=400)
        try:
            claims = jwt.decode(assertion, self._key.public_key(), ["RS256"], audience=f"{self.url}/token")
        except jwt.InvalidTokenError:
            return web.json_response({"error": "invalid_grant"}, status=400)
        header = jwt.get_unverified_header(assertion)
        is_right = claims["scope"] == SCOPE and claims["exp"] - claims["iat"] <= 3_600 and header["kid"] == "key-1"
        if not is_right or claims["iss"] != "daira@test.invalid" or abs(claims["iat"] - time.time()) > 300:
            return web.json_response({"error": "invalid_grant"}, status=400)
        self.tokens_granted += 1
        self.valid_token = f"token-{self.tokens_granted}"
        answer = {"access_token": self.valid_token, "expires_in": self.lifetime_s, "token_type": "Bearer"}
        return web.json_response(answer)

    async def _send(self, request: web.Request) -> web.Response:
        body = await request.read()
        if request.headers.get("Authorization") != f"Bearer {self.valid_token}":
            return fcm_error(401, "UNAUTHENTICATED")
        if self.answers:
            return self.answers.pop(0)
        asked = json.loads(body)
        message = asked["message"]
        unknown = message.keys() - FIELDS
        if unknown or "token" not in message or len(body) > 5_000:
            return fcm_error(
                400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", *(["message." + unknown.pop()] if unknown else [])
            )
        if not all(isinstance(value, str) for value in message.get("data", {}).values()):
            return fcm_error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "message.data")
        counted = {name: message[name] for name in ("notification", "data") if name in message}
        if len(json.dumps(counted, ensure_ascii=False).encode()) > 4_096:
            return fcm_error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT")
        self.received.append(message)
        return web.json_response({"name": f"projects/{PROJECT}/messages/{len(self.received)}"})
