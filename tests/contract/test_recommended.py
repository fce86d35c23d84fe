"""Ranked feeds recommend posts of strangers, from each source; the latest feed never does."""

from typing import Any

import pytest

from storage import candidates
from tests.cluster import Cluster
from tests.people import Person
from workers.candidates import CandidateKeeper

SOURCES = ("second_degree", "trend", "similar", "exploration")
POSTS = 20  # in the inbox, among which a feed places recommendations
HIDDEN = ("new", "underage", "private", "blocks", "blocked", "muted", "narrow", "deleted")


class Town:
    """A reader with an inbox, and strangers with a post each. Only the post of "open" may be recommended."""

    reader: Person
    friend: Person

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.strangers: dict[str, Person] = {}
        self.posts: dict[str, int] = {}

    async def build(self, person: Any) -> None:
        self.reader, self.friend = await person("reader", node="b"), await person("friend")
        await self.reader.call("graph.follow", user_id=self.friend.id)
        mint, friend_id = self.cluster.stores.ids.mint, int(self.friend.id)
        owner = await self.cluster.owner()
        await owner.executemany(
            """INSERT INTO posts (id, author_id, text, visibility, reply_policy, quality)
            VALUES ($1, $2, 'صباح الخير', 'public', 'everyone', 0.05)""",
            [(mint(), friend_id) for _ in range(POSTS)],
        )
        await owner.close()
        for name in ("open", *HIDDEN):
            stranger = await person(name)
            visibility = "followers" if name == "narrow" else "public"
            post = await stranger.call("post.create", text="مساء الخير", visibility=visibility)
            self.strangers[name], self.posts[name] = stranger, int(post["id"])

    async def hide(self) -> None:
        """Change what keeps the posts from the reader. All would be placed before those of the inbox."""
        of = self.strangers
        owner = await self.cluster.owner()
        await owner.execute("UPDATE posts SET quality = 1 WHERE id = ANY ($1)", list(self.posts.values()))
        await owner.execute(
            "UPDATE users SET created_at = now() - interval '73 hours' WHERE id = ANY ($1)",
            [int(stranger.id) for name, stranger in of.items() if name != "new"],
        )
        await owner.execute(
            """INSERT INTO accounts (user_id, email, email_key, birth_date)
            VALUES ($1, $2, $2, (now() - interval '17 years')::date)
            ON CONFLICT (user_id) DO UPDATE SET birth_date = excluded.birth_date""",
            int(of["underage"].id), f"{of['underage'].name}@example.org",
        )  # fmt: skip
        await owner.close()
        await of["private"].call("user.update", is_private=True)
        await of["blocks"].call("graph.block", user_id=self.reader.id)
        await self.reader.call("graph.block", user_id=of["blocked"].id)
        await self.reader.call("graph.mute", user_id=of["muted"].id, kind="posts")
        await of["deleted"].call("post.delete", post_id=str(self.posts["deleted"]))

    async def lead_to_all(self, source: str) -> None:
        """Let the source have the posts of all strangers."""
        tools = self.cluster.workers.tools
        match source:
            case "second_degree":
                for stranger in self.strangers.values():
                    await self.friend.call("graph.follow", user_id=stranger.id)
            case "trend":
                owner = await self.cluster.owner()
                await owner.executemany(
                    "INSERT INTO post_heat (post_id, heat, is_video) VALUES ($1, 1000000, false)",
                    [(post_id,) for post_id in self.posts.values()],
                )
                await owner.close()
            case "similar":
                liking = [1.0, *[0.0] * 127]
                users = [self.reader, *self.strangers.values()]
                async with tools.database.transaction() as tx:
                    await tx.execute(
                        "SELECT keep_user_vectors($1, $2)", [int(user.id) for user in users], liking * len(users)
                    )
                await CandidateKeeper(tools).turn()
            case "exploration":
                owner = await self.cluster.owner()
                await owner.execute("DELETE FROM posts_to_explore")
                await owner.executemany(
                    "INSERT INTO posts_to_explore (place, post_id) VALUES ($1, $2)",
                    list(enumerate(self.posts.values(), 1)),
                )
                await owner.close()

    async def read(self) -> dict[int, str]:
        """The sources of the posts in the reader's ranked feed."""
        feed = await self.reader.call("feed.get", limit=100)
        return {int(item["post"]["id"]): item["source"] for item in feed["items"]}

    async def explore(self) -> dict[int, str]:
        """The same of ten feeds. Each draws 20 times from nine posts, so ten of them draw all posts."""
        items: dict[int, str] = {}
        for _ in range(10):
            await self.cluster.node_b.parts.services.recommendations.forget(int(self.reader.id))
            items |= await self.read()
        return items


def ask_all_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is, no source of recommendations rests."""
    monkeypatch.setattr(candidates, "SOURCE_BUDGET_MS", candidates.PATIENT_MS)
    monkeypatch.setattr(candidates, "BUDGET_MS", candidates.PATIENT_MS)
    monkeypatch.setattr(candidates, "_resting", candidates.Resting())


@pytest.fixture
async def town(cluster: Cluster, person: Any, monkeypatch: pytest.MonkeyPatch) -> Town:
    ask_all_sources(monkeypatch)
    town = Town(cluster)
    await town.build(person)
    return town


@pytest.mark.parametrize("source", SOURCES)
async def test_ranked_feeds_recommend_strangers_by_each_source(cluster: Cluster, town: Town, source: str):
    await town.lead_to_all(source)
    await town.hide()
    await cluster.settle(town.reader)
    items = await (town.explore() if source == "exploration" else town.read())
    ours = {post_id: of for post_id, of in items.items() if post_id in town.posts.values()}
    assert ours == {town.posts["open"]: source}
    latest = (await town.reader.call("feed.get", mode="latest", limit=100))["items"]
    assert {item["post"]["author"]["id"] for item in latest} == {town.friend.id}


async def test_a_new_user_with_an_empty_feed_gets_recommendations_and_no_latest_posts(
    cluster: Cluster, town: Town, person: Any
):
    newcomer = await person("newcomer")
    await town.lead_to_all("trend")
    await town.hide()
    shown = {item["post"]["id"]: item["source"] for item in (await newcomer.call("feed.get", limit=100))["items"]}
    ours = {name: shown.get(str(post_id)) for name, post_id in town.posts.items()}
    # Those whom only the reader of the town hides, or who hide the reader, are strangers to the newcomer.
    assert {name for name, source in ours.items() if source == "trend"} == {"open", "blocks", "blocked", "muted"}
    assert (await newcomer.call("feed.get", mode="latest"))["items"] == []


async def test_what_an_exploration_showed_is_logged_with_its_propensity(cluster: Cluster, town: Town):
    await town.hide()
    await town.lead_to_all("exploration")
    await cluster.settle(town.reader)
    await town.explore()
    await cluster.node_b.parts.services.exposures.flush()
    owner = await cluster.owner()
    rows = await owner.fetch(
        "SELECT source, propensity FROM feed_exposures WHERE user_id = $1 AND post_id = $2",
        int(town.reader.id), town.posts["open"],
    )  # fmt: skip
    await owner.close()
    assert {row["source"] for row in rows} == {"exploration"}
    # It is nearly certain: 20 draws from nine posts.
    assert all(row["propensity"] == pytest.approx(1, abs=0.5) for row in rows)
