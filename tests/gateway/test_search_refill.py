"""`daira search reindex` in PostgreSQL: what is missing comes back, what is gone goes, and a run can be resumed."""

import pytest

from gateway import search_refill
from gateway.search_refill import RefillPlace, place_of, refill
from storage import search as stored
from tests.cluster import Cluster
from tests.contract.test_search import found, posts, word


async def test_the_index_is_written_anew(cluster: Cluster, person, monkeypatch):
    alice, bob = await person("alice"), await person("bob", node="b")
    name = word(cluster, "سبانخ")
    await bob.call("user.update", display_name=name)
    post = (await bob.call("post.create", text=f"#{name} هنا"))["id"]
    room = (await bob.call("room.create", topic=name))["id"]
    await cluster.settle()
    owner = await cluster.owner()
    await owner.execute("DELETE FROM search_documents")
    await owner.execute("DELETE FROM search_uses")
    await owner.execute("INSERT INTO search_documents (kind, id, terms) VALUES ('post', 77, 'gone')")
    monkeypatch.setattr(search_refill, "PAGE", 7)
    monkeypatch.setattr(search_refill, "SAMPLED", 1)
    places: list[RefillPlace] = []
    await refill(cluster.worker_database, place_of("user:-1"), lambda place, rows: places.append(place))
    assert await posts(alice, name) == [post]
    page = await alice.call("search.query", q=name)
    assert [item["kind"] for item in page["items"]] == ["user", "hashtag", "room", "post"]
    assert (found(page, "user"), found(page, "room")) == ([bob.id], [room])
    assert not await owner.fetchval("SELECT true FROM search_documents WHERE kind = 'post' AND id = 77")
    assert [place.kind for place in places] == sorted((place.kind for place in places), key=search_refill.ORDER.index)
    # A second run changes nothing, and from a place on, only what comes after it is read.
    uses = await owner.fetch("SELECT id, uses FROM search_uses ORDER BY id")
    rows = [0]
    await refill(cluster.worker_database, RefillPlace("post", int(post) - 1), lambda _, read: rows.append(read))
    assert 1 <= sum(rows) <= 2 + len(uses) + await owner.fetchval("SELECT count(*) FROM posts WHERE id > $1", int(post))
    assert await owner.fetch("SELECT id, uses FROM search_uses ORDER BY id") == uses
    await owner.close()


async def test_a_row_that_changes_meanwhile_is_written_again(cluster: Cluster, person, monkeypatch):
    alice, bob = await person("alice"), await person("bob", node="b")
    old, new = word(cluster, "قديم"), word(cluster, "جديد")
    post = await bob.call("post.create", text=old)
    await cluster.settle()
    read = stored.posts_after
    edited = False

    async def edited_after_it_was_read(database, after, limit):
        nonlocal edited
        rows = await read(database, after, limit)
        if not edited and any(row.id == int(post["id"]) for row in rows):
            edited = True
            await bob.call("post.edit", post_id=post["id"], version=post["version"], text=new)
            await cluster.settle()  # a worker has written the new text
        return rows

    monkeypatch.setitem(search_refill._ROWS, "post", edited_after_it_was_read)
    await refill(cluster.worker_database, RefillPlace("post", int(post["id"]) - 1), lambda *_: None)
    assert edited
    assert (await posts(alice, old), await posts(alice, new)) == ([], [post["id"]])


@pytest.mark.parametrize("text", ["", "posts:1", "post", "post:x"])
def test_places_that_are_none(text):
    with pytest.raises(ValueError, match=r"is not in list|invalid literal"):
        place_of(text)
