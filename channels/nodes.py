"""Which nodes are alive. Each sends a heartbeat every second. When one has been silent for 5 s, exactly one other node
removes its users from rosters and presence.

A node only judges others once its own heartbeats have succeeded for longer than that: while Redis is down, every node
is silent.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog
from prometheus_client import Counter

from channels.redis_keys import RedisKeys
from storage.redis import RedisError
from storage.redis_link import LinkScript
from storage.shards import Shards

BEAT_EVERY_S = 1.0
DEAD_AFTER_S = 5.0
STEADY_AFTER_S = DEAD_AFTER_S + 2.0
REAPING_S = 120  # the lock of the node that removes a dead one's users; then another may try

BEAT = LinkScript(Path(__file__).parent / "lua" / "beat.lua")
SCRIPTS = (BEAT,)
REAPED = Counter("daira_nodes_reaped_total", "Dead nodes whose users this node has removed")

log = structlog.get_logger()


class Nodes:
    def __init__(
        self,
        shards: Shards,
        keys: RedisKeys,
        node: str,
        on_dead: Callable[[str], Awaitable[None]],
        on_forgotten: Callable[[], None],
    ) -> None:
        """on_dead: removes a dead node's users. on_forgotten: another node may have removed this node's users."""
        self._on_dead = on_dead
        self._on_forgotten = on_forgotten
        self._shards = shards
        self._keys = keys
        self._node = node
        self._steady_since: float | None = None
        self._beaten_at = 0.0
        self._reaping: asyncio.Task[None] | None = None  # runs beside the heartbeats, which must not wait for it

    async def keep_alive(self) -> None:
        """Send a heartbeat every second, forever, and remove the users of dead nodes."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                known, dead = await self._shards.run(0, BEAT, (self._keys.nodes(),), (self._node, DEAD_AFTER_S))
                now = loop.time()
                if self._steady_since is None or now - self._beaten_at > DEAD_AFTER_S / 2:
                    self._steady_since = now
                self._beaten_at = now
                if not known:
                    self._on_forgotten()
                if now - self._steady_since > STEADY_AFTER_S:
                    self._reap_soon([node.decode() for node in dead])
            except RedisError:
                self._steady_since = None
            await asyncio.sleep(BEAT_EVERY_S)

    def stop(self) -> None:
        """Stop removing users of dead nodes. This node's own users are removed by another node 5 s later."""
        if self._reaping is not None:
            self._reaping.cancel()

    def _reap_soon(self, dead: list[str]) -> None:
        if dead and (self._reaping is None or self._reaping.done()):
            self._reaping = asyncio.create_task(self._reap_all(dead))

    async def _reap_all(self, dead: list[str]) -> None:
        for node in dead:
            try:
                await self._reap(node)
            except Exception:
                log.exception("the users of a dead node could not be removed yet", dead=node)

    async def _reap(self, node: str) -> None:
        lock = self._keys.reaping(node)
        if not await self._shards.call(0, "SET", lock, self._node, "NX", "EX", REAPING_S):
            return
        try:
            if await self._is_silent(node):  # checked again, as the list may be minutes old
                log.warning("a node is dead: its users are removed from rosters and presence", dead=node)
                await self._on_dead(node)
                await self._shards.call(0, "ZREM", self._keys.nodes(), node)
                REAPED.inc()
        finally:
            self._shards.send(0, "DEL", lock)

    async def _is_silent(self, node: str) -> bool:
        said = await self._shards.call(0, "ZSCORE", self._keys.nodes(), node)
        seconds, _ = await self._shards.call(0, "TIME")
        return said is not None and int(seconds) - float(said) > DEAD_AFTER_S
