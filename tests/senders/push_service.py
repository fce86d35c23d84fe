"""A browser and its push service, over TLS: it checks the signature of the application server, and decrypts."""

import json
import os
import re
import time
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDH,
    SECP256R1,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from senders.subscriptions import decoded, encoded
from tests.senders.certificates import Trust

LONGEST_TOKEN_S = 24 * 3_600


class Browser:
    """Its keys, and how it reads a message (RFC 8291, section 3.4)."""

    def __init__(self) -> None:
        self.private = generate_private_key(SECP256R1())
        self.public = self.private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.auth = os.urandom(16)

    def subscription(self, endpoint: str) -> str:
        keys = {"p256dh": encoded(self.public), "auth": encoded(self.auth)}
        return json.dumps({"endpoint": endpoint, "expirationTime": None, "keys": keys})

    def decrypt(self, body: bytes) -> bytes:
        salt, record_size, length = body[:16], int.from_bytes(body[16:20], "big"), body[20]
        theirs, sealed = body[21 : 21 + length], body[21 + length :]
        assert len(sealed) <= record_size
        public = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), theirs)
        info = b"WebPush: info\x00" + self.public + theirs
        secret = HKDF(SHA256(), 32, self.auth, info).derive(self.private.exchange(ECDH(), public))
        key = HKDF(SHA256(), 16, salt, b"Content-Encoding: aes128gcm\x00").derive(secret)
        nonce = HKDF(SHA256(), 12, salt, b"Content-Encoding: nonce\x00").derive(secret)
        plain = AESGCM(key).decrypt(nonce, sealed, None).rstrip(b"\x00")
        assert plain.endswith(b"\x02")
        return plain[:-1]


class PushService:
    def __init__(self, trust: Trust, browser: Browser) -> None:
        self._trust = trust
        self._browser = browser
        app = web.Application()
        app.router.add_post("/send/{id}", self._send)
        self._runner = web.AppRunner(app)
        self.application_key = ""  # the one that the browser subscribed with
        self.tokens: set[str] = set()
        self.received: list[tuple[dict[str, str], dict[str, Any]]] = []  # headers and content
        self.answers: list[tuple[int, dict[str, str]]] = []  # to the next messages

    async def start(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._trust.server).start()
        self.host = f"localhost:{self._runner.addresses[0][1]}"
        self.subscription = self._browser.subscription(f"https://{self.host}/send/1")

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _send(self, request: web.Request) -> web.Response:
        body = await request.read()
        if not self._is_signed(request.headers.get("Authorization", "")):
            return web.Response(status=403)
        if self.answers:
            status, headers = self.answers.pop(0)
            return web.Response(status=status, headers=headers)
        if len(body) > 4_096:
            return web.Response(status=413)
        if request.headers.get("Content-Encoding") != "aes128gcm" or not request.headers.get("TTL", "").isdecimal():
            return web.Response(status=400)
        if not re.fullmatch(r"[A-Za-z0-9_-]{0,32}", request.headers.get("Topic", "")):
            return web.Response(status=400)
        self.received.append((dict(request.headers), json.loads(self._browser.decrypt(body))))
        return web.Response(status=201, headers={"Location": f"https://{self.host}/message/1"})

    def _is_signed(self, authorization: str) -> bool:
        """Check a token as RFC 8292 demands."""
        match = re.fullmatch(r"vapid t=([^,]+), k=(\S+)", authorization)
        if match is None or match[2] != self.application_key:
            return False
        key = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), decoded(match[2]))
        try:
            claims = jwt.decode(match[1], key, ["ES256"], audience=f"https://{self.host}")
        except jwt.InvalidTokenError:
            return False
        self.tokens.add(match[1])
        return bool(claims["exp"] - time.time() <= LONGEST_TOKEN_S and claims["sub"].startswith("mailto:"))
