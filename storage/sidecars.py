"""Where the sidecars of nodes and workers are. Each process announces its own, so that `daira top` finds all."""

import asyncio
import ipaddress
from contextlib import suppress
from typing import Any

from storage.redis import RedisError
from storage.redis_link import Part
from storage.shards import Shards

ANNOUNCE_EVERY_S = 5.0
EXPIRE_AFTER_S = 20
MOST = 1_000


class Sidecars:
    """A sorted set of URLs. The score is when each was announced last, by the clock of Redis."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._shard = shards.of("sidecars")
        self._key = shards.key(self._shard, "sidecars")

    async def keep_announcing(self, host: str, port: int) -> None:
        """Announce a sidecar every 5 s, until cancelled. host: of its listener, which may be a wildcard."""
        url: str | None = None
        try:
            while True:
                with suppress(RedisError):
                    url = url or f"http://{await self._reachable(host)}:{port}"
                    await self._announce(url)
                await asyncio.sleep(ANNOUNCE_EVERY_S)
        finally:
            if url is not None:
                with suppress(RedisError):
                    await self._call("ZREM", self._key, url)

    async def known(self) -> list[str]:
        """URLs of the sidecars that were announced in the last 20 s. Raises RedisError."""
        oldest = await self._now() - EXPIRE_AFTER_S
        urls = await self._call("ZRANGE", self._key, oldest, "+inf", "BYSCORE", "LIMIT", 0, MOST)
        return sorted(url.decode() for url in urls)

    async def _announce(self, url: str) -> None:
        now = await self._now()
        await self._call("ZADD", self._key, now, url)
        await self._call("ZREMRANGEBYSCORE", self._key, 0, now - EXPIRE_AFTER_S)

    async def _now(self) -> int:
        """In seconds since 1970, by the clock of Redis."""
        seconds, _ = await self._call("TIME")
        return int(seconds)

    def _call(self, *parts: Part) -> "asyncio.Future[Any]":
        return self._shards.call(self._shard, *parts)

    async def _reachable(self, host: str) -> str:
        """The host; instead of a wildcard, the address of this machine that Redis sees."""
        if host not in ("0.0.0.0", "::", ""):
            return _in_url(host)
        about_us = dict(each.split("=", 1) for each in (await self._call("CLIENT", "INFO")).decode().split())
        seen = about_us["addr"].rpartition(":")[0].strip("[]")
        return _in_url(seen) if _is_address(seen) else "127.0.0.1"  # a Unix socket has no address


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
