"""Shares: posts that show another post, to those who may see that post."""

import asyncio

import pytest

from tests.cluster import Cluster


async def feed(person, mode: str = "latest", **arguments) -> list[dict]:
    return [item["post"] for item in await person.own_feed(mode=mode, **arguments)]


async def soon_in_feed(person, post_id: str) -> None:
    await person.expect("feed.added", post_id=post_id)


@pytest.fixture
async def scene(person):
    """Alice's public post, Bob, who shares it, and Carol, who follows Bob."""
    alice, bob, carol = await person("alice"), await person("bob", node="b"), await person("carol")
    await carol.call("graph.follow", user_id=bob.id)
    post = await alice.call("post.create", text=f"صباح الخير #cairo @{bob.name}")
    return alice, bob, carol, post


async def test_a_share_shows_the_post_and_reaches_followers(cluster: Cluster, scene):
    alice, bob, carol, post = scene
    share = await bob.call("share.create", post_id=post["id"], text="اقرأوا هذا #news")
    assert (share["text"], share["hashtags"], share["is_share"]) == ("اقرأوا هذا #news", ["news"], True)
    assert share["author"]["id"] == bob.id
    shown = {name: post[name] for name in share["shared"]}
    assert share["shared"] == shown
    assert share["shared"]["author"]["id"] == alice.id
    assert not post["is_share"]
    assert post["shared"] is None
    await soon_in_feed(carol, share["id"])
    assert await feed(carol) == [await carol.call("post.get", post_id=share["id"])]
    assert (await carol.call("post.list", user_id=bob.id))["items"][0]["shared"] == shown


async def test_a_share_of_a_share_points_to_the_original(scene):
    _, bob, carol, post = scene
    first = await bob.call("share.create", post_id=post["id"])
    second = await carol.call("share.create", post_id=first["id"], text="indeed")
    assert second["shared"]["id"] == post["id"]


async def test_sharing_again_without_a_text_returns_the_first_share(scene):
    _, bob, _, post = scene
    with_text = await bob.call("share.create", post_id=post["id"], text="one")
    shares = await asyncio.gather(*(bob.call("share.create", post_id=post["id"]) for _ in range(3)))
    assert len({share["id"] for share in shares}) == 1
    assert shares[0]["id"] != with_text["id"]
    assert (await bob.call("share.create", post_id=post["id"], text="one"))["id"] != with_text["id"]
    await bob.call("post.delete", post_id=shares[0]["id"])
    assert (await bob.call("share.create", post_id=post["id"]))["id"] != shares[0]["id"]


async def test_only_what_everybody_may_see_can_be_shared(cluster: Cluster, person, scene):
    alice, bob, carol, post = scene
    await bob.call("graph.follow", user_id=alice.id)
    for visibility in ("followers", "private"):
        narrow = await alice.call("post.create", text="x", visibility=visibility)
        assert (await alice.refused("share.create", post_id=narrow["id"])).code == "FAILED_PRECONDITION"
        expected = "FAILED_PRECONDITION" if visibility == "followers" else "NOT_FOUND"
        assert (await bob.refused("share.create", post_id=narrow["id"])).code == expected
        assert (await carol.refused("share.create", post_id=narrow["id"])).code == "NOT_FOUND"
    await alice.call("user.update", is_private=True)
    assert (await bob.refused("share.create", post_id=post["id"])).code == "FAILED_PRECONDITION"
    assert (await carol.refused("share.create", post_id=post["id"])).code == "NOT_FOUND"
    assert (await carol.refused("share.create", post_id="1")).code == "NOT_FOUND"


@pytest.mark.parametrize("hides", ["deleted", "private", "blocked", "blocking", "suspended"])
async def test_the_rights_to_the_original_decide_at_each_read(cluster: Cluster, scene, hides):
    alice, bob, carol, post = scene
    share = await bob.call("share.create", post_id=post["id"], text="look")
    await soon_in_feed(carol, share["id"])
    match hides:
        case "deleted":
            await alice.call("post.delete", post_id=post["id"])
        case "private":
            await alice.call("user.update", is_private=True)
        case "blocked":
            await alice.call("graph.block", user_id=carol.id)
        case "blocking":
            await carol.call("graph.block", user_id=alice.id)
        case "suspended":
            owner = await cluster.owner()
            await owner.execute("UPDATE users SET status = 'suspended' WHERE id = $1", int(alice.id))
            await owner.close()
    seen = [
        await carol.call("post.get", post_id=share["id"]),
        await carol.call("post.watch", post_id=share["id"]),
        (await carol.call("post.list", user_id=bob.id))["items"][0],
        *await feed(carol),
        *await feed(carol, "ranked"),
    ]
    assert len(seen) == 5
    for each in seen:
        assert each["is_share"]
        assert each["shared"] is None
    assert (await carol.refused("share.create", post_id=share["id"])).code == "NOT_FOUND"


@pytest.mark.parametrize("mode", ["latest", "ranked"])
async def test_a_feed_leaves_out_shares_that_show_nothing(cluster: Cluster, scene, mode):
    alice, bob, carol, post = scene
    plain = await bob.call("share.create", post_id=post["id"])
    await soon_in_feed(carol, plain["id"])
    await carol.call("graph.mute", user_id=alice.id)
    assert await feed(carol, mode) == []
    await carol.call("graph.unmute", user_id=alice.id)
    assert [each["id"] for each in await feed(carol, mode)] == [plain["id"]]
    await alice.call("post.delete", post_id=post["id"])
    assert await feed(carol, mode) == []


@pytest.mark.parametrize("hides", ["mutes", "blocks", "is blocked"])
async def test_followers_are_not_told_of_a_share_that_shows_them_nothing(cluster: Cluster, person, scene, hides):
    alice, bob, carol, post = scene
    dina = await person("dina", node="b")
    await dina.call("graph.follow", user_id=bob.id)
    match hides:
        case "mutes":
            await carol.call("graph.mute", user_id=alice.id)
        case "blocks":
            await carol.call("graph.block", user_id=alice.id)
        case "is blocked":
            await alice.call("graph.block", user_id=carol.id)
    await cluster.settle(carol, dina)
    share = await bob.call("share.create", post_id=post["id"])
    await soon_in_feed(dina, share["id"])
    await cluster.settle(carol)
    assert carol.heard("feed.added") == []


@pytest.mark.parametrize("mode", ["latest", "ranked"])
async def test_a_feed_shows_a_post_and_its_shares_once(cluster: Cluster, person, scene, mode):
    alice, bob, carol, post = scene
    for author in (alice, await person("dina", node="b")):
        await carol.call("graph.follow", user_id=author.id)
    dina = author
    other = await alice.call("post.create", text="another")
    shares = [await author.call("share.create", post_id=post["id"]) for author in (bob, dina)]
    await soon_in_feed(carol, shares[1]["id"])
    await cluster.settle(carol)
    whole = await feed(carol, mode)
    originals = sorted(each["shared"]["id"] if each["is_share"] else each["id"] for each in whole)
    assert originals == sorted([post["id"], other["id"]])
    if mode == "latest":
        assert [each["id"] for each in whole] == [shares[1]["id"], other["id"]]  # where the newest of them is
    one_by_one, cursor = [], None
    while not one_by_one or cursor:
        page = await carol.call("feed.get", mode=mode, limit=1, cursor=cursor)
        one_by_one += [item["post"]["id"] for item in page["items"] if item["reason"] != "suggested"]
        cursor = page["next_cursor"]
    assert one_by_one == [each["id"] for each in whole]


async def test_a_feed_shows_a_post_of_a_large_author_and_its_shares_once(cluster: Cluster, scene):
    alice, bob, carol, post = scene
    owner = await cluster.owner()
    await owner.execute("UPDATE users SET is_large = true WHERE id = ANY ($1)", [int(alice.id), int(bob.id)])
    await owner.close()
    await carol.call("graph.follow", user_id=alice.id)
    between = await alice.call("post.create", text="another")
    share = await bob.call("share.create", post_id=post["id"])
    pages, cursor = [], None
    while not pages or cursor:
        page = await carol.call("feed.get", mode="latest", limit=1, cursor=cursor)
        pages += [item["post"]["id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert pages == [share["id"], between["id"]]


async def test_an_edited_share_does_not_show_the_original_to_users_who_are_hidden_from_it(cluster: Cluster, scene):
    alice, bob, carol, post = scene
    share = await bob.call("share.create", post_id=post["id"], text="look")
    await alice.call("graph.block", user_id=carol.id)
    await cluster.settle(alice, carol)
    for watcher in (alice, carol):
        await watcher.call("post.watch", post_id=share["id"])
    await bob.call("post.edit", post_id=share["id"], version=1, text="look here")
    assert (await alice.expect("post.edited"))["post"]["shared"]["id"] == post["id"]
    pushed = (await carol.expect("post.edited"))["post"]
    assert (pushed["text"], pushed["is_share"], pushed["shared"]) == ("look here", True, None)
    await alice.call("user.update", is_private=True)
    await bob.call("post.edit", post_id=share["id"], version=2, text="look there")
    assert (await alice.expect("post.edited"))["post"]["shared"] is None


@pytest.mark.parametrize("kind", ["python-msgpack", "python-json"])
async def test_bad_input_names_its_field(cluster: Cluster, person, kind):
    alice = await person("alice", kind=kind)
    for argument, field in (({}, "post_id"), ({"post_id": "7", "text": "x" * 5_001}, "text")):
        failed = await alice.refused("share.create", **argument)
        assert (failed.code, failed.fields) == ("INVALID_ARGUMENT", [field])
