"""`python -m bench.cases [CASES]`: the moderators' queue with 1,000,000 reports, and reporting meanwhile.

The reports belong to 400,000 open cases of random reasons, sources and weights. The bare cost of a page is that of the
ids and of the rows of its cases, by the same indexes. Machines are noisy, so compare the ratios.
"""

import sys
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import uvloop

from bench.cluster import running_cluster
from bench.measure import Row, print_table, timed
from tests.cluster import Cluster
from tests.people import Person

CASES = 400_000
REPORTERS = 1_000
ROUNDS = 200
DEEP = 500  # pages
PAGE = 20
_FILL_CASES = """
    INSERT INTO cases (id, target_type, target_id, owner_id, source, reason, severity, report_count, report_weight,
                       snapshot, content_hash, is_private)
    SELECT mint_id(), (ARRAY ['post', 'comment', 'media', 'room', 'user'])[1 + floor(random() * 5)], n, $1,
           (ARRAY ['report', 'report', 'report', 'rule', 'classifier', 'appeal'])[1 + floor(random() * 6)],
           (ARRAY ['spam', 'harassment', 'hate', 'violence', 'sexual', 'self_harm', 'minors', 'scam', 'impersonation',
                   'private_information', 'copyright', 'illegal', 'other'])[1 + floor(random() * 13)],
           floor(random() * 5), 1 + floor(random() * 4), random() * 4, '{"text": "x"}', '', false
    FROM generate_series(1, $2::bigint) n"""
_FILL_REPORTS = """
    INSERT INTO reports (id, case_id, reporter_id, reason, weight)
    SELECT mint_id(), c.id, u.id, c.reason, random()
    FROM (SELECT id, reason, row_number() OVER () AS place FROM cases) c
    CROSS JOIN LATERAL generate_series(1, 1 + (random() * 3 + c.place * 0)::integer) n
    JOIN (SELECT id, row_number() OVER () - 1 AS place FROM unnest($1::bigint[]) AS ids (id)) u
        ON u.place = (c.place * 7 + n) % $2"""
_BARE = """
    SELECT c.* FROM cases c
    WHERE c.status = 'open' AND (-c.priority, c.id) > ($1, $2) ORDER BY -c.priority, c.id LIMIT 20"""


class Bench:
    def __init__(self, cluster: Cluster, cases: int) -> None:
        self.cluster = cluster
        self._cases = cases

    async def run(self) -> list[Row]:
        self.moderator = await self.cluster.person("moderator")
        self.author = await self.cluster.person("author")
        self.owner: Any = await asyncpg.connect(self.cluster.servers.postgres_url("daira_owner"))
        await self._fill()
        reports = await self.owner.fetchval("SELECT count(*) FROM reports")
        print(f"{reports:,} reports in {self._cases:,} open cases")
        rows = [
            await self._page("first page", self._list(), (-(2**31) + 1, 0)),
            await self._page(f"page {DEEP}", self._list(cursor=await self._cursor(DEEP)), await self._place(DEEP)),
            await self._page("one reason", self._list(reasons=["hate"])),
            await self._page("3 reasons, 2 types", self._list(reasons=["hate", "scam", "minors"],
                                                              target_types=["post", "user"])),
            await self._page("one source", self._list(sources=["appeal"])),
            await self._page("severity 3 and more", self._list(severity=3)),
            await self._report(),
        ]  # fmt: skip
        await self.owner.close()
        return rows

    async def _fill(self) -> None:
        tokens = await self.cluster.tokens([self.cluster.unique("reporter") for _ in range(REPORTERS)])
        assert len(tokens) == REPORTERS
        ids = [row["id"] for row in await self.owner.fetch("SELECT id FROM users WHERE username LIKE 'reporter%'")]
        await self.owner.execute("UPDATE users SET role = 'moderator' WHERE id = $1", int(self.moderator.id))
        await self.owner.execute(_FILL_CASES, int(self.author.id), self._cases)
        await self.owner.execute(_FILL_REPORTS, ids, REPORTERS)
        await self.owner.execute("VACUUM ANALYZE cases")
        await self.owner.execute("VACUUM ANALYZE reports")

    def _list(self, **arguments: Any) -> Callable[[int], Awaitable[Any]]:
        return lambda _: self.moderator.call("case.list", **arguments)

    async def _page(
        self, what: str, work: Callable[[int], Awaitable[Any]], place: tuple[int, int] | None = None
    ) -> Row:
        ours = await timed(f"case.list, {what}", work, ROUNDS)
        rank, after = place or (-(2**31) + 1, 0)
        bare = await timed("bare", lambda _: self.owner.fetch(_BARE, rank, after), ROUNDS)
        return Row(f"case.list, {what}", ours, "20 cases of the queue", bare, "100/200/400")

    async def _cursor(self, pages: int) -> str:
        cursor = None
        for _ in range(pages):
            cursor = (await self.moderator.call("case.list", cursor=cursor))["next_cursor"]
        assert cursor is not None
        return str(cursor)

    async def _place(self, pages: int) -> tuple[int, int]:
        row = await self.owner.fetchrow(
            "SELECT -priority, id FROM cases WHERE status = 'open' ORDER BY -priority, id OFFSET $1 LIMIT 1",
            pages * PAGE - 1,
        )
        return row[0], row[1]

    async def _report(self) -> Row:
        """Each round reports another post."""
        posts = [await self._post(number) for number in range(ROUNDS + 5)]
        reporter: Person = await self.cluster.person("reporter")

        async def report(number: int) -> None:
            await reporter.call("report.create", target_type="post", target_id=posts[number], reason="spam")

        async def bare(number: int) -> None:
            await self.owner.fetch("SELECT * FROM moderated('post', $1, 0)", int(posts[number]))

        ours = await timed("report.create", report, ROUNDS)
        return Row("report.create, a new case", ours, "one snapshot", await timed("bare", bare, ROUNDS), "30/60/100")

    async def _post(self, number: int) -> str:
        return str((await self.author.call("post.create", text=f"post {number}"))["id"])


async def main() -> None:
    async with running_cluster() as cluster:
        rows = await Bench(cluster, int(sys.argv[1]) if len(sys.argv) > 1 else CASES).run()
    print_table(rows)


if __name__ == "__main__":
    uvloop.run(main())
