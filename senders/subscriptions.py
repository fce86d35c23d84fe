"""Subscriptions of browsers, and the hosts of push services: a client must not make us connect to any other host."""

import base64
import binascii
import re
import socket
from collections.abc import Iterable
from ipaddress import ip_address

import msgspec
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from yarl import URL

# Parsers disagree on URLs with other characters.
_PLAIN_URL = re.compile(r"https://[!-\[\]-~]+")


class _Keys(msgspec.Struct, frozen=True):
    p256dh: str
    auth: str


class Subscription(msgspec.Struct, frozen=True):
    """The result of `PushSubscription.toJSON()` in a browser, without `expirationTime`."""

    endpoint: str
    keys: _Keys

    @property
    def url(self) -> URL:
        """The endpoint, parsed as the HTTP client does it. Raises ValueError."""
        return URL(self.endpoint, encoded=True)

    def public_key(self) -> EllipticCurvePublicKey:
        """The browser's key. Raises ValueError."""
        return EllipticCurvePublicKey.from_encoded_point(SECP256R1(), decoded(self.keys.p256dh))

    def auth_secret(self) -> bytes:
        """16 bytes. Raises ValueError."""
        secret = decoded(self.keys.auth)
        if len(secret) != 16:
            raise ValueError("auth is not 16 bytes")
        return secret


class PushHosts:
    """The hosts that endpoints may name: `host`, `host:port` or `*.domain`.

    Names below a domain must resolve to public addresses; a host that is listed by its whole name may be private.
    """

    def __init__(self, listed: Iterable[str]) -> None:
        names = [name.strip().lower() for name in listed if name.strip()]
        self.whole = [name for name in names if not name.startswith("*.")]
        self._domains = tuple(name[1:] for name in names if name.startswith("*."))
        self._trusted = {URL(f"https://{name}").host for name in self.whole}

    def allows(self, url: URL) -> bool:
        """Whether the URL is HTTPS to a listed host and port, and nothing in it hides another one."""
        host = (url.raw_host or "").lower()
        if url.scheme != "https" or url.user is not None or url.password is not None or not host or url.fragment:
            return False
        if url.port == 443:
            return host in self.whole or host.endswith(self._domains)
        return f"{host}:{url.port}" in self.whole

    def is_trusted(self, host: str) -> bool:
        """Whether the host is listed by its whole name."""
        return host in self._trusted


class PublicResolver(AbstractResolver):
    """Resolves hosts, and hides private addresses of those that are not trusted."""

    def __init__(self, hosts: PushHosts) -> None:
        self._hosts = hosts
        self._resolver = DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Raises OSError."""
        found = await self._resolver.resolve(host, port, family)
        if self._hosts.is_trusted(host.lower()):
            return found
        public = [each for each in found if ip_address(each["host"].partition("%")[0]).is_global]
        if not public:
            raise OSError(f"{host} has no public address")
        return public

    async def close(self) -> None:
        await self._resolver.close()


def read_subscription(text: str, hosts: PushHosts) -> Subscription:
    """Raises ValueError, which says what is wrong."""
    try:
        subscription = msgspec.json.decode(text, type=Subscription)
    except msgspec.DecodeError:
        raise ValueError("is not the JSON of a push subscription") from None
    try:
        is_allowed = bool(_PLAIN_URL.fullmatch(subscription.endpoint)) and hosts.allows(subscription.url)
    except ValueError:
        is_allowed = False
    if not is_allowed:
        raise ValueError("has an endpoint at a host that is no known push service")
    try:
        subscription.public_key()
        subscription.auth_secret()
    except ValueError:
        raise ValueError("has wrong keys") from None
    return subscription


def decoded(text: str) -> bytes:
    """Decode base64url, padded or not. Raises ValueError."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None


def encoded(data: bytes) -> str:
    """Encode as base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
