"""Where the sidecars of nodes and workers are. Each process announces its own, so that `daira top` finds all."""

import asyncio
import ipaddress
from contextlib import suppress

from storage.redis import Redis, RedisError

ANNOUNCE_EVERY_S = 5.0
EXPIRE_AFTER_S = 20
MOST = 1_000


class Sidecars:
    """A sorted set of URLs. The score is when each was announced last, by the clock of Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._key = redis.key("sidecars")

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
                    await self._redis.commands.zrem(self._key, url)

    async def known(self) -> list[str]:
        """URLs of the sidecars that were announced in the last 20 s. Raises RedisError."""
        now, _ = await self._redis.commands.time()
        urls = await self._redis.commands.zrange(
            self._key, now - EXPIRE_AFTER_S, "+inf", byscore=True, offset=0, num=MOST
        )
        return sorted(url.decode() for url in urls)

    async def _announce(self, url: str) -> None:
        now, _ = await self._redis.commands.time()
        async with self._redis.commands.pipeline(transaction=False) as pipe:
            pipe.zadd(self._key, {url: now})
            pipe.zremrangebyscore(self._key, 0, now - EXPIRE_AFTER_S)
            await pipe.execute()

    async def _reachable(self, host: str) -> str:
        """The host; instead of a wildcard, the address of this machine that Redis sees."""
        if host not in ("0.0.0.0", "::", ""):
            return _in_url(host)
        seen = (await self._redis.commands.client_info())["addr"].rpartition(":")[0].strip("[]")
        return _in_url(seen) if _is_address(seen) else "127.0.0.1"  # a Unix socket has no address


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
