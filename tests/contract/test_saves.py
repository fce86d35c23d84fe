"""Saves and collections: each user's own, on all of their devices."""

import asyncio

import pytest

from tests.cluster import Cluster


async def ids(person, **arguments) -> list[str]:
    return [item["post"]["id"] for item in (await person.call("save.list", **arguments))["items"]]


async def test_a_saved_post_is_in_the_list_and_marked_for_this_user_alone(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob", node="b")
    first, second = [await bob.call("post.create", text=text) for text in ("first", "second")]
    for post in (second, first):
        await alice.call("save.add", post_id=post["id"])
    page = await alice.call("save.list")
    assert [item["post"]["id"] for item in page["items"]] == [first["id"], second["id"]]  # last saved first
    assert page["items"][0]["collection_id"] is None
    assert page["next_cursor"] is None
    assert (await alice.call("post.get", post_id=first["id"]))["viewer"]["saved"]
    assert not (await bob.call("post.get", post_id=first["id"]))["viewer"]["saved"]
    assert await ids(bob) == []
    await alice.call("save.remove", post_id=first["id"])
    assert await ids(alice) == [second["id"]]
    assert not (await alice.call("post.get", post_id=first["id"]))["viewer"]["saved"]


async def test_saves_reach_the_users_other_devices(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    device = await cluster.again(alice, node="b", kind="js-json")
    post = (await bob.call("post.create", text="x"))["id"]
    recipes = (await alice.call("collection.create", name="وصفات"))["id"]
    await alice.call("save.add", post_id=post, collection_id=recipes)
    await device.expect("save.changed", post_id=post, saved=True, collection_id=recipes)
    await alice.call("save.add", post_id=post, collection_id=recipes)  # changes nothing, so tells nothing
    await alice.call("save.add", post_id=post)
    await device.expect("save.changed", post_id=post, saved=True, collection_id=None)
    await alice.call("save.remove", post_id=post)
    await device.expect("save.changed", post_id=post, saved=False, collection_id=None)
    await cluster.settle(device, bob)
    assert device.heard("save.changed") == bob.heard("save.changed") == []


async def test_pages_of_saves_go_on_over_posts_that_have_become_hidden(cluster: Cluster, person):
    alice, bob, carol = await person("alice"), await person("bob"), await person("carol", node="b")
    posts = [(await author.call("post.create", text="x"))["id"] for author in (bob, carol, carol, carol, bob, bob)]
    for post in posts:
        await alice.call("save.add", post_id=post)
    await carol.call("graph.block", user_id=alice.id)
    await bob.call("post.delete", post_id=posts[5])
    first = await alice.call("save.list", limit=1)
    assert [item["post"]["id"] for item in first["items"]] == [posts[4]]
    second = await alice.call("save.list", limit=2, cursor=first["next_cursor"])
    assert [item["post"]["id"] for item in second["items"]] == [posts[0]]
    assert second["next_cursor"] is None
    await alice.call("save.remove", post_id=posts[1])  # also of what the user no longer sees


async def test_a_page_looks_for_visible_posts_only_so_far(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    posts = [(await bob.call("post.create", text="x"))["id"] for _ in range(7)]
    for post in posts:
        await alice.call("save.add", post_id=post)
    for post in posts[1:]:
        await bob.call("post.delete", post_id=post)
    page = await alice.call("save.list", limit=1)
    assert page["items"] == []
    assert await ids(alice, limit=1, cursor=page["next_cursor"]) == [posts[0]]


async def test_a_post_that_is_hidden_or_missing_cannot_be_saved(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    hidden = [
        (await bob.call("post.create", text="x", visibility="followers"))["id"],
        (await bob.call("post.create", text="x", visibility="private"))["id"],
        "1",
    ]
    for post in hidden:
        assert (await alice.refused("save.add", post_id=post)).code == "NOT_FOUND"
    assert await ids(alice) == []


async def test_collections_divide_saves(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    recipes, places = [await alice.call("collection.create", name=name) for name in ("recipes", "places")]
    posts = [(await bob.call("post.create", text="x"))["id"] for _ in range(3)]
    for post, where in zip(posts, (recipes["id"], places["id"], None), strict=True):
        await alice.call("save.add", post_id=post, collection_id=where)
    assert await ids(alice, collection_id=recipes["id"]) == [posts[0]]
    assert await ids(alice) == posts[::-1]
    await alice.call("save.add", post_id=posts[2], collection_id=recipes["id"])
    assert await ids(alice, collection_id=recipes["id"]) == [posts[2], posts[0]]
    page = await alice.call("save.list", collection_id=recipes["id"], limit=1)
    wrong = await alice.refused("save.list", collection_id=places["id"], cursor=page["next_cursor"])
    assert (wrong.code, wrong.fields) == ("INVALID_ARGUMENT", ["cursor"])
    renamed = await alice.call("collection.update", collection_id=recipes["id"], name=" food ")
    assert renamed == {**recipes, "name": "food"}
    assert (await alice.call("collection.list"))["items"] == [places, renamed]
    await alice.call("collection.delete", collection_id=recipes["id"])
    assert (await alice.call("collection.list"))["items"] == [places]
    saved = (await alice.call("save.list"))["items"]
    assert [item["collection_id"] for item in saved] == [None, places["id"], None]


async def test_collections_belong_to_their_owner(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob", node="b")
    recipes = (await alice.call("collection.create", name="recipes"))["id"]
    post = (await alice.call("post.create", text="x"))["id"]
    for method, more in (
        ("collection.update", {"name": "mine"}),
        ("collection.delete", {}),
        ("save.add", {"post_id": post}),
        ("save.list", {}),
    ):
        assert (await bob.refused(method, collection_id=recipes, **more)).code == "NOT_FOUND", method
    assert (await bob.call("collection.list"))["items"] == []
    assert await ids(bob) == []


async def test_a_save_into_a_collection_that_is_deleted_meanwhile_is_refused(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    post = (await bob.call("post.create", text="x"))["id"]
    collection = (await alice.call("collection.create", name="recipes"))["id"]
    owner, looker = await cluster.owner(), await cluster.owner()
    async with owner.transaction():
        await owner.execute("DELETE FROM collections WHERE id = $1", int(collection))
        saving = asyncio.create_task(alice.refused("save.add", post_id=post, collection_id=collection))
        blocker = owner.get_server_pid()
        waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND $1 = ANY (pg_blocking_pids(pid)))"
        while not await looker.fetchval(waits, blocker):
            await asyncio.sleep(0.01)
    assert (await saving).code == "NOT_FOUND"
    assert await ids(alice) == []
    await owner.close()
    await looker.close()


async def test_nobody_has_more_than_a_hundred_collections(cluster: Cluster, person):
    alice = await person("alice")
    owner = await cluster.owner()
    await owner.execute(
        "INSERT INTO collections (id, owner_id, name) SELECT $1::bigint + n, $1, 'x' FROM generate_series(1, 99) n",
        int(alice.id),
    )
    await owner.close()
    await alice.call("collection.create", name="the last")
    assert (await alice.refused("collection.create", name="one more")).code == "FAILED_PRECONDITION"
    seen, cursor = 0, None
    while seen == 0 or cursor:
        page = await alice.call("collection.list", limit=60, cursor=cursor)
        seen, cursor = seen + len(page["items"]), page["next_cursor"]
    assert seen == 100


@pytest.mark.parametrize(
    ("method", "argument", "field"),
    [
        ("save.add", {"post_id": 7}, "post_id"),
        ("save.add", {"post_id": "7", "collection_id": "x"}, "collection_id"),
        ("save.list", {"limit": 101}, "limit"),
        ("save.list", {"cursor": "x"}, "cursor"),
        ("collection.create", {"name": " "}, "name"),
        ("collection.create", {"name": "x" * 51}, "name"),
        ("collection.update", {"collection_id": "7", "name": "a\nb"}, "name"),
        ("collection.delete", {}, "collection_id"),
    ],
)
@pytest.mark.parametrize("kind", ["python-msgpack", "python-json"])
async def test_bad_input_names_its_field(cluster: Cluster, person, kind, method, argument, field):
    alice = await person("alice", kind=kind)
    failed = await alice.refused(method, **argument)
    assert (failed.code, failed.fields) == ("INVALID_ARGUMENT", [field])
