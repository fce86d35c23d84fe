"""`make bench`: calls through a real socket, and fan-out, compared with bare SQL and Redis on the same servers.

A node, its workers and the client share this machine's cores, as on a laptop. Nothing is asserted: machines are
noisy, so compare the ratios.
"""

import asyncio
import itertools
import time
from typing import Any

import asyncpg
import uvloop

from bench.cluster import running_cluster
from bench.measure import Row, print_table, timed
from bench.posts import insert_posts
from protocol.events import PostCreatedEvent
from storage import posts, seeding
from storage.snowflakes import milliseconds
from tests.cluster import Cluster
from tests.people import Person

ROUNDS = 300
FANOUT_ROUNDS = 15
FOLLOWED = 50
POSTS_EACH = 10


class Bench:
    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._numbers = itertools.count()

    async def run(self) -> list[Row]:
        alice = await self.cluster.person("alice")
        await self._fill_feed(alice)
        self.bare: Any = await asyncpg.connect(self.cluster.servers.postgres_url("daira_app"))
        await self.bare.execute("SELECT set_config('app.user_id', $1, false)", alice.id)
        self.redis = self.cluster.redis.commands
        self.shards = self.cluster.stores.data_shards
        return [
            await self._feed_get(alice, "ranked"),
            await self._ranked_beside_a_ping(alice),
            await self._feed_get(alice, "latest"),
            await self._post_create(alice),
            await self._refresh(),
            await self._begin_upload(alice),
            await self._push_to_another_node(),
            await self._fan_out(1_000),
            await self._fan_out(9_999),
        ]

    async def _fill_feed(self, reader: Person) -> None:
        """Let the reader follow 50 authors with 10 posts each."""
        owner = await self.cluster.owner()
        async with owner.transaction():
            authors = await seeding.insert_users(owner, [(self.cluster.unique("author"), "a") for _ in range(FOLLOWED)])
            await seeding.insert_follows(owner, [(int(reader.id), author) for author in authors])
            await insert_posts(owner, authors, FOLLOWED * POSTS_EACH)
        await owner.execute("ANALYZE")
        await owner.close()
        await reader.call("feed.get")

    async def _feed_get(self, alice: Person, mode: str) -> Row:
        ours = await timed(f"feed.get {mode}", lambda _: alice.call("feed.get", mode=mode), ROUNDS)
        feed = await self.cluster.stores.feeds.read(int(alice.id)) or []
        shard, key = self._feed(int(alice.id))

        async def bare(_: int) -> None:
            await self.shards.call(shard, "ZREVRANGE", key, 0, -1)
            await posts.load(self.bare, feed[:20])

        return Row(
            f"feed.get, {mode}, page of 20", ours, "feed + one load of 20 posts", await timed("bare", bare, ROUNDS),
            "50/100/200",
        )  # fmt: skip

    async def _ranked_beside_a_ping(self, alice: Person) -> Row:
        """The CPU of ranking 500 posts beside that of a call that does nothing, both with their client."""
        ours = await timed("feed.get ranked", lambda _: alice.call("feed.get", mode="ranked"), ROUNDS)
        ping = await timed("system.ping", lambda _: alice.call("system.ping"), ROUNDS)
        return Row(f"feed.get, ranked, {FOLLOWED * POSTS_EACH} posts", ours, "system.ping", ping, "p95 15, CPU 2")

    async def _post_create(self, alice: Person) -> Row:
        ours = await timed("post.create", lambda n: alice.call("post.create", text=f"post {n} #tag"), ROUNDS)
        author, outbox = int(alice.id), self.cluster.nodes["a"].parts.services.outbox

        async def bare(_: int) -> None:
            post_id = self._mint()
            async with self.bare.transaction():
                await posts.insert(
                    self.bare, id=post_id, author_id=author, text="x", visibility="public", circle_id=None,
                    reply_policy="everyone", hashtags=["tag"], topics=["tag"], mention_ids=[],
                )  # fmt: skip
                await outbox.add(self.bare, PostCreatedEvent(post_id=post_id, author_id=author))

        return Row("post.create", ours, "insert of post and event", await timed("bare", bare, ROUNDS), "30/60/100")

    async def _refresh(self) -> Row:
        guest = await self.cluster.guest()
        name = self.cluster.unique("refresher")
        answer = await guest.call(
            "auth.register", username=name, email=f"{name}@example.org", password="a long password"
        )
        tokens = [answer["refresh_token"]]

        async def refresh(_: int) -> None:
            tokens.append((await guest.call("auth.refresh", refresh_token=tokens[-1]))["refresh_token"])

        ours = await timed("auth.refresh", refresh, ROUNDS)
        session = int(answer["session_id"])
        owner = await self.cluster.owner()

        async def bare(_: int) -> None:
            async with owner.transaction():
                await owner.fetchrow("SELECT * FROM sessions WHERE id = $1 FOR UPDATE", session)
                await owner.execute("UPDATE sessions SET rotated_at = now() WHERE id = $1", session)

        row = Row("auth.refresh", ours, "lock and update of a session", await timed("bare", bare, ROUNDS), "30/60/100")
        await owner.close()
        return row

    async def _begin_upload(self, alice: Person) -> Row:
        """A video of 100 MB: six URLs to send parts to."""
        film = {"filename": "film.mp4", "content_type": "video/mp4", "size_bytes": 100_000_000}

        async def begin(_: int) -> float:
            began = time.perf_counter()
            upload = await alice.call("media.create_upload", **film)
            seconds = time.perf_counter() - began
            await alice.call("media.abort_upload", media_id=upload["media_id"])
            return seconds

        ours = await timed("media.create_upload", begin, ROUNDS)
        objects = self.cluster.stores.objects

        async def bare(number: int) -> float:
            began = time.perf_counter()
            upload_id = await objects.begin_upload(f"private/bench/{number}", "video/mp4")
            seconds = time.perf_counter() - began
            await objects.abort_upload(f"private/bench/{number}", upload_id)
            return seconds

        return Row(
            "media.create_upload, 6 parts", ours, "the store begins it", await timed("bare", bare, ROUNDS), "50/100/150"
        )

    async def _push_to_another_node(self) -> Row:
        """Time from a post's acknowledgement to its push, through outbox, relay, event log and fan-out."""
        author, reader = await self.cluster.person("poster"), await self.cluster.person("reader", node="b")
        await reader.call("graph.follow", user_id=author.id)
        await self.cluster.settle(reader)
        acknowledged: dict[str, float] = {}

        async def post() -> str:
            answer = await author.call("post.create", text="x")
            acknowledged[answer["id"]] = time.perf_counter()
            return str(answer["id"])

        async def hop(_: int) -> float:
            post_id = await post()
            await reader.expect("feed.added", post_id=post_id)
            return time.perf_counter() - acknowledged[post_id]

        ours = await timed("push to another node", hop, ROUNDS)
        channel = self.cluster.redis.key("bench")
        pubsub = self.cluster.redis.commands.pubsub()
        await pubsub.subscribe(channel)
        await pubsub.get_message(timeout=5)

        async def bare(_: int) -> None:
            await self.redis.publish(channel, b"x" * 200)
            await pubsub.get_message(timeout=5)

        row = Row(
            "ack to push on another node", ours, "Redis pub/sub hop", await timed("bare", bare, ROUNDS), "p95 < 50"
        )
        await pubsub.aclose()
        return row

    async def _fan_out(self, followers: int) -> Row:
        """Time from the call until the post is in the last feed."""
        author = await self.cluster.person("writer")
        watcher = await self.cluster.person("watcher", node="b")
        owner = await self.cluster.owner()
        async with owner.transaction():
            names = [(self.cluster.unique("crowd"), "c") for _ in range(followers - 1)]
            crowd = await seeding.insert_users(owner, names)
            await seeding.insert_follows(owner, [(person, int(author.id)) for person in [*crowd, int(watcher.id)]])
        await owner.close()
        for person in crowd:
            await self.cluster.stores.feeds.begin_rebuild(person)
        places = [self._feed(person) for person in crowd]
        shard, last = places[0]

        async def fan_out(_: int) -> None:
            post = await author.call("post.create", text="to the crowd")
            while await self.shards.call(shard, "ZSCORE", last, post["id"]) is None:
                await asyncio.sleep(0.001)

        ours = await timed(f"fan-out to {followers}", fan_out, FANOUT_ROUNDS, warm_up=2)

        async def bare(_: int) -> None:
            post_id = self._mint()
            async with self.redis.pipeline(transaction=False) as pipe:
                for _, key in places:
                    pipe.zadd(key, {str(post_id): milliseconds(post_id)})
                await pipe.execute()

        return Row(
            f"post to {followers:,} feeds, from the call", ours, f"{followers:,} ZADD in a pipeline",
            await timed("bare", bare, FANOUT_ROUNDS, warm_up=1), "~50 for 1,000",
        )  # fmt: skip

    def _feed(self, user_id: int) -> tuple[int, str]:
        """Its shard and key."""
        shard = self.shards.of(str(user_id))
        return shard, self.shards.key(shard, "feed", user_id)

    def _mint(self) -> int:
        return self.cluster.stores.ids.mint()


async def main() -> None:
    async with running_cluster() as cluster:
        rows: list[Any] = await Bench(cluster).run()
    print_table(rows)


if __name__ == "__main__":
    uvloop.run(main())
