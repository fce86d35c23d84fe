"""`python -m bench.decisions [ROUNDS]`: from `case.decide` until the last of 40 viewers on two nodes has its push.

Each round publishes a post to 40 followers, 20 on each node, one of whom reports it. A moderator removes it, and undoes
that. The time ends when the last follower has `feed.removed`, or `feed.added` again. Both nodes, all workers and all
clients share this machine's cores.
"""

import asyncio
import sys
import time

import uvloop

from bench.cluster import running_cluster
from bench.measure import timed
from tests.cluster import Cluster
from tests.contract.moderators import appoint, reported
from tests.people import Person

ROUNDS = 40
FOLLOWERS = 40


class Bench:
    def __init__(self, cluster: Cluster, rounds: int) -> None:
        self.cluster = cluster
        self.rounds = rounds
        self.undoing: list[float] = []  # s

    async def run(self) -> None:
        self.author = await self.cluster.person("author")
        self.moderator = await appoint(self.cluster, await self.cluster.person("moderator", node="b"))
        self.followers = [
            await self.cluster.person(f"follower{number}", node="ab"[number % 2]) for number in range(FOLLOWERS)
        ]
        for follower in self.followers:
            await follower.call("graph.follow", user_id=self.author.id)
        owner = await self.cluster.owner()
        old = "UPDATE users SET created_at = now() - interval '30 days' WHERE id = $1"  # no limits of new accounts
        await owner.execute(old, int(self.author.id))
        await owner.close()
        removing = await timed("case.decide", self._decide, self.rounds)
        self.undoing.sort()
        undone = [self.undoing[int(len(self.undoing) * share)] * 1_000 for share in (0.5, 0.95)]
        print(f"removed everywhere, ms: p50 {removing.p50:.0f}, p95 {removing.p95:.0f}, p99 {removing.p99:.0f}")
        print(f"restored everywhere, ms: p50 {undone[0]:.0f}, p95 {undone[1]:.0f}")

    async def _decide(self, number: int) -> float:
        post = await self.author.call("post.create", text=f"a post of round {number}")
        await self._all("feed.added", post["id"])
        case = await reported(self.cluster, self.followers[0], "post", post["id"])
        began = time.perf_counter()
        decided = await self.moderator.call("case.decide", case_id=case, action="remove")
        await self._all("feed.removed", post["id"])
        took = time.perf_counter() - began
        began = time.perf_counter()
        await self.moderator.call("decision.undo", decision_id=decided["decision_id"])
        await self._all("feed.added", post["id"])
        self.undoing.append(time.perf_counter() - began)
        return took

    async def _all(self, event: str, post_id: str) -> None:
        async def told(follower: Person) -> None:
            await follower.expect(event, post_id=post_id)

        await asyncio.gather(*(told(follower) for follower in self.followers))


async def main() -> None:
    async with running_cluster() as cluster:
        await Bench(cluster, int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS).run()


if __name__ == "__main__":
    uvloop.run(main())
