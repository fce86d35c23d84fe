"""Explore: trends, trending posts, hashtag pages, and people whom the caller may know."""

import asyncio
from typing import Any

import pytest

from tests.cluster import Cluster
from tests.contract.test_auth import register
from tests.people import Person
from workers import trends

TAG = "مهرجان"


async def make_old(cluster: Cluster, *people: Person) -> None:
    """Make accounts older than 72 hours: younger ones are held back."""
    owner = await cluster.owner()
    await owner.execute(
        "UPDATE users SET created_at = now() - interval '73 hours' WHERE id = ANY ($1)",
        [int(each.id) for each in people],
    )
    await owner.close()


@pytest.fixture
def old_person(cluster: Cluster, person):
    async def new(name: str, **options: Any) -> Person:
        found = await person(name, **options)
        await make_old(cluster, found)
        return found

    return new


async def refresh(cluster: Cluster) -> None:
    """Let workers count what has happened, and make trends of it."""
    await cluster.settle()
    await trends.refresh(cluster.workers.tools)


async def posts_of(person: Person, tag: str, **arguments: Any) -> list[str]:
    return [post["id"] for post in (await person.call("hashtag.posts", tag=tag, **arguments))["items"]]


async def test_what_20_people_write_about_is_a_trend_of_their_governorate_and_the_country(cluster: Cluster, person):
    tag = cluster.unique(TAG)
    crowd = await asyncio.gather(*(person(f"fan{number}") for number in range(20)))
    await make_old(cluster, *crowd)
    alice, *others = crowd
    await asyncio.gather(*(each.call("user.update", governorate="luxor") for each in crowd))
    await asyncio.gather(*(each.call("post.create", text=f"في #{tag}") for each in others))
    await refresh(cluster)
    trend = {"tag": tag, "name": tag, "people": 20, "hours": [0] * 23 + [20]}

    async def shown(method: str, where: str, **arguments: Any) -> list[dict[str, Any]]:
        answer = await alice.call(method, **arguments)
        return [each for each in answer[where] if each["tag"] == tag]

    assert await shown("explore.trends", "items") == []
    await alice.call("post.create", text=f"أنا أيضا في #{tag}")
    await refresh(cluster)
    assert await shown("explore.trends", "items") == [trend]
    assert await shown("explore.trends", "items", governorate="luxor") == [trend]
    assert await shown("explore.trends", "items", governorate="giza") == []
    assert await shown("explore.get", "trends") == await shown("explore.get", "local_trends") == [trend]
    await alice.call("user.update", governorate=None)
    assert await shown("explore.get", "local_trends") == []


async def test_the_governorate_is_shown_to_its_owner_alone(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    assert (await alice.call("user.update", governorate="aswan"))["governorate"] == "aswan"
    assert (await alice.call("user.me"))["governorate"] == "aswan"
    for caller in (alice, bob):
        assert "governorate" not in await caller.call("user.get", user_id=alice.id)
    assert (await alice.refused("user.update", governorate="atlantis")).fields == ["governorate"]
    assert (await alice.call("user.update", governorate=None))["governorate"] is None


async def test_a_hashtag_page_shows_posts_of_all_spellings_newest_first(cluster: Cluster, person):
    alice = await person("alice")
    tag = cluster.unique("أهلا")
    posts = [await alice.call("post.create", text=f"#{each}") for each in (tag, tag.replace("أ", "ا"), tag.upper())]
    await cluster.settle()
    expected = [post["id"] for post in reversed(posts)]
    for spelling in (tag, f"#{tag}", tag.replace("أ", "إ")):
        assert await posts_of(alice, spelling) == expected
    page = await alice.call("hashtag.posts", tag=tag, limit=2)
    assert [post["id"] for post in page["items"]] == expected[:2]
    rest = await alice.call("hashtag.posts", tag=tag, limit=2, cursor=page["next_cursor"])
    assert ([post["id"] for post in rest["items"]], rest["next_cursor"]) == (expected[2:], None)
    other = await alice.refused("hashtag.posts", tag="other", cursor=page["next_cursor"])
    assert (other.code, other.fields) == ("INVALID_ARGUMENT", ["cursor"])
    assert await alice.call("hashtag.get", tag=tag) == {"tag": tag.replace("أ", "ا"), "post_count": 3}
    assert await alice.call("hashtag.get", tag=f"{tag}x") == {"tag": f"{tag}x".replace("أ", "ا"), "post_count": 0}


@pytest.mark.parametrize("tag", ["two words", "123", "#", "a-b", "@alice", "🔥", "x" * 101, "a.b/c"])
async def test_what_is_no_hashtag_is_refused(person, tag: str):
    alice = await person("alice")
    for method in ("hashtag.get", "hashtag.posts"):
        refused = await alice.refused(method, tag=tag)
        assert (refused.code, refused.fields) == ("INVALID_ARGUMENT", ["tag"])


async def test_a_hashtag_page_follows_edits_and_deletions(cluster: Cluster, person):
    alice = await person("alice")
    first, second = cluster.unique("one"), cluster.unique("two")
    post = await alice.call("post.create", text=f"#{first}")
    await alice.call("post.edit", post_id=post["id"], version=1, text=f"#{second}")
    await cluster.settle()
    assert (await posts_of(alice, first), await posts_of(alice, second)) == ([], [post["id"]])
    await alice.call("post.delete", post_id=post["id"])
    assert await posts_of(alice, second) == []
    assert (await alice.call("hashtag.get", tag=second))["post_count"] == 0


async def test_hidden_posts_are_neither_shown_nor_counted_and_leave_no_gap(cluster: Cluster, person):
    alice, bob, carol = [await person(name) for name in ("alice", "bob", "carol")]
    tag = cluster.unique("mixed")
    shown = []
    for number in range(4):
        await bob.call("post.create", text=f"#{tag} {number}")
        shown.insert(0, (await carol.call("post.create", text=f"#{tag} {number}"))["id"])
    await cluster.settle()
    await alice.call("graph.mute", user_id=bob.id, kind="posts")
    for mode in ("latest", "top"):
        first = await alice.call("hashtag.posts", tag=tag, limit=2, mode=mode)
        assert [post["id"] for post in first["items"]] == shown[:2]
        rest = await alice.call("hashtag.posts", tag=tag, limit=10, mode=mode, cursor=first["next_cursor"])
        assert [post["id"] for post in rest["items"]] == shown[2:]
    assert (await alice.call("hashtag.get", tag=tag))["post_count"] == 4
    assert (await carol.call("hashtag.get", tag=tag))["post_count"] == 8


async def test_posts_that_many_care_for_trend_and_are_at_the_top_of_their_hashtag(cluster: Cluster, old_person):
    alice, bob, carol = [await old_person(name) for name in ("alice", "bob", "carol")]
    tag = cluster.unique("top")
    hot = (await alice.call("post.create", text=f"#{tag} hot"))["id"]
    cold = (await alice.call("post.create", text=f"#{tag} cold"))["id"]
    await bob.call("reaction.set", target_type="post", target_id=hot, kind="like")
    await carol.call("comment.create", post_id=hot, text="wow")
    await cluster.settle()
    assert await posts_of(bob, tag, mode="top") == [hot, cold]
    assert await posts_of(bob, tag) == [cold, hot]

    async def trending(person: Person) -> set[str]:
        return {post["id"] for post in (await person.call("explore.get"))["posts"]} & {hot, cold}

    assert await trending(bob) == {hot}
    assert await trending(alice) == set()  # her own
    await carol.call("graph.block", user_id=alice.id)
    assert await trending(carol) == set()


async def test_people_whom_followed_people_follow_are_suggested_until_dismissed(cluster: Cluster, old_person):
    alice, bob, carol = [await old_person(name) for name in ("alice", "bob", "carol")]
    await alice.call("graph.follow", user_id=bob.id)
    await bob.call("graph.follow", user_id=carol.id)
    suggested = await alice.call("explore.people")
    [item] = suggested["items"]
    assert (item["user"]["id"], item["common_count"], item["follows_you"]) == (carol.id, 1, False)
    assert (await alice.call("explore.get"))["people"] == suggested["items"]
    await alice.call("explore.dismiss_person", user_id=carol.id)
    assert (await alice.call("explore.people"))["items"] == []
    assert (await alice.refused("explore.dismiss_person", user_id=alice.id)).fields == ["user_id"]
    await carol.call("graph.block", user_id=alice.id)
    assert (await alice.refused("explore.dismiss_person", user_id=carol.id)).code == "NOT_FOUND"


async def test_pages_of_suggested_people_keep_one_order_without_those_who_were_dismissed(cluster: Cluster, old_person):
    alice, bob, *known = [await old_person(name) for name in ("alice", "bob", "c", "d", "e", "f", "g")]
    await alice.call("graph.follow", user_id=bob.id)
    for each in known:
        await bob.call("graph.follow", user_id=each.id)
    whole = [item["user"]["id"] for item in (await alice.call("explore.people"))["items"]]
    assert {*whole} == {each.id for each in known}
    first = await alice.call("explore.people", limit=2)
    await alice.call("explore.dismiss_person", user_id=whole[2])
    second = await alice.call("explore.people", limit=1, cursor=first["next_cursor"])
    third = await alice.call("explore.people", limit=1, cursor=second["next_cursor"])
    assert [item["user"]["id"] for page in (first, second, third) for item in page["items"]] == whole[:2] + whole[3:]
    assert third["next_cursor"] is None
    assert (await bob.refused("explore.people", cursor=first["next_cursor"])).fields == ["cursor"]


async def test_who_does_not_want_to_be_suggested_is_not(cluster: Cluster, old_person):
    alice, bob, carol = [await old_person(name) for name in ("alice", "bob", "carol")]
    await alice.call("graph.follow", user_id=bob.id)
    await bob.call("graph.follow", user_id=carol.id)
    assert (await carol.call("settings.get"))["suggest_me"] is True
    assert (await carol.call("settings.update", suggest_me=False))["suggest_me"] is False
    assert (await alice.call("explore.people"))["items"] == []


async def test_minors_cannot_let_themselves_be_suggested(cluster: Cluster, person):
    child, _ = await register(cluster, birth_date="2012-01-01")
    assert (await child.call("settings.get"))["suggest_me"] is False
    assert (await child.refused("settings.update", suggest_me=True)).code == "FAILED_PRECONDITION"


async def test_older_posts_are_found_by_their_hashtags(cluster: Cluster, person):
    """Posts from before there were hashtag pages, and posts that `daira seed` writes."""
    alice = await person("alice")
    tag = cluster.unique("old")
    post = await alice.call("post.create", text=f"#{tag}")
    await cluster.settle()
    owner = await cluster.owner()
    await owner.execute("DELETE FROM post_tags WHERE tag = $1", tag)
    assert await posts_of(alice, tag) == []
    await owner.execute("UPDATE post_tags_backfill SET below = $1", 2**63 - 1)
    await owner.close()
    while await trends.enter_older(cluster.workers.tools):
        continue
    assert await posts_of(alice, tag) == [post["id"]]


async def test_what_was_cached_for_all_is_shown_to_each_as_they_may_see_it(cluster: Cluster, old_person, node):
    caching = await node(explore_cache=300)
    author, blocked, muting, other = [
        await old_person(name, node=caching) for name in ("author", "blocked", "muting", "other")
    ]
    post = (await author.call("post.create", text="hot"))["id"]
    deleted = (await author.call("post.create", text="soon gone"))["id"]
    for each in (blocked, muting, other):
        for target in (post, deleted):
            await each.call("reaction.set", target_type="post", target_id=target, kind="love")
    await cluster.settle()

    async def trending(person: Person) -> set[str]:
        return {each["id"] for each in (await person.call("explore.get"))["posts"]} & {post, deleted}

    for each in (blocked, muting, other):
        assert await trending(each) == {post, deleted}
    assert await trending(author) == set()
    await author.call("graph.block", user_id=blocked.id)
    await muting.call("graph.mute", user_id=author.id, kind="posts")
    await author.call("post.delete", post_id=deleted)
    assert [await trending(each) for each in (blocked, muting, other)] == [set(), set(), {post}]
    await author.call("user.update", is_private=True)
    assert await trending(other) == set()
