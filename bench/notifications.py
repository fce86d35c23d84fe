"""notification.list beside its SQL: the first page, and page 1,000."""

from typing import Any

from bench.measure import Row, timed
from storage import notifications
from tests.cluster import Cluster

ROUNDS = 300
AMOUNT = 20_020  # the last page is page 1,000 and one more
TARGET = "40/80/150"


async def measure(cluster: Cluster) -> list[Row]:
    alice, bob = await cluster.person("alice"), await cluster.person("bob")
    mint = cluster.stores.ids.mint
    owner = await cluster.owner()
    ids = [mint() for _ in range(AMOUNT)]
    await owner.execute(
        """INSERT INTO notifications (id, user_id, kind, target_type, target_id, place, actor_ids, actor_count, seen_at)
        SELECT id, $2, 'mention', 'user', $3, 'list', ARRAY [$3::bigint], 1, now() FROM unnest($1::bigint[]) AS id""",
        ids, int(alice.id), int(bob.id),
    )  # fmt: skip
    await owner.execute("ANALYZE notifications")
    await owner.close()
    bare: Any = await cluster.as_app(alice.id)
    cursor: str | None = None
    for _ in range(200):  # pages of 100: 1,000 pages of 20
        cursor = (await alice.call("notification.list", limit=100, cursor=cursor))["next_cursor"]

    async def row(what: str, place: str | None, before: int) -> Row:
        async def call(_: int) -> None:
            await alice.call("notification.list", cursor=place)

        async def query(_: int) -> None:
            await notifications.load_page(bare, "list", before, 20)

        return Row(what, await timed(what, call, ROUNDS), "its query", await timed("bare", query, ROUNDS), TARGET)

    rows = [
        await row("notification.list, page of 20", None, 2**63 - 1),
        await row("notification.list, page 1,000", cursor, ids[20]),
    ]
    await bare.close()
    return rows
