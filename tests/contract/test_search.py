"""Search finds what the viewer may see, in an order that its pages keep."""

import asyncio
import hashlib
from datetime import UTC, datetime
from itertools import groupby

import pytest

from domain.search_documents import query_groups, suggestion_groups
from language.analysis import document_terms
from storage import search as stored
from storage.search_engine import MOST_CANDIDATES, MOST_LOOSER, Document, reading_time
from storage.stored_orders import LIFETIME_S
from tests.cluster import Cluster
from tests.contract.test_explore import make_old


def found(page, kind: str = "post") -> list[str]:
    """The ids (of hashtags, the names) of the items of that kind."""
    field = "name" if kind == "hashtag" else "id"
    return [item[kind][field] for item in page["items"] if item["kind"] == kind]


def word(cluster: Cluster, base: str = "كشري") -> str:
    """A word that no other test uses, and that differs from all others by more than a slip of the finger."""
    digits = hashlib.blake2b(cluster.unique("").encode(), digest_size=6).hexdigest()
    single = "".join(digit for digit, _ in groupby(digits))  # three of a letter are read as one
    return base + single.translate(str.maketrans("0123456789abcdef", "بتثجحخدذرزسشصضطظ"))


async def posts(person, q: str, **arguments) -> list[str]:
    return found(await person.call("search.query", q=q, kind="post", **arguments))


async def test_posts_are_found_by_their_words_newest_first(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob", node="b")
    koshari = word(cluster)
    texts = (f"أحلى {koshari} في وسط البلد", f"{koshari} أحلى في وسط البلد", "شاورما في وسط البلد")
    first, second, other = [(await bob.call("post.create", text=text))["id"] for text in texts]
    await cluster.settle()
    page = await alice.call("search.query", q=koshari, kind="post")
    assert set(found(page)) == {first, second}
    assert page["items"][0]["post"]["author"]["id"] == bob.id
    assert page["next_cursor"] is None
    assert await posts(alice, f"ال{koshari} شاورما {other}") == []
    assert set((await posts(alice, f"{koshari} وسط"))[:2]) == {first, second}


async def test_of_two_words_one_is_enough_behind_the_few_that_have_both(cluster: Cluster, person):
    alice, bob, carol = await person("alice"), await person("bob", node="b"), await person("carol")
    one, other = word(cluster), word(cluster, "حواوشي")
    first = (await bob.call("post.create", text=f"{one} في وسط البلد"))["id"]
    second = (await bob.call("post.create", text=f"{other} في وسط البلد"))["id"]
    # Whether a hidden post has both words changes nothing.
    await carol.call("post.create", text=f"{one} {other}", visibility="followers")
    await cluster.settle()
    assert set(await posts(alice, f"{one} {other}")) == {first, second}
    page = await alice.call("search.query", q=f"{one} {other}", kind="post", limit=1)
    rest = await alice.call("search.query", q=f"{one} {other}", kind="post", cursor=page["next_cursor"])
    assert set(found(page) + found(rest)) == {first, second}
    both = (await bob.call("post.create", text=f"{other} {one}"))["id"]
    await cluster.settle()
    has_both, *has_one = await posts(alice, f"{one} {other}")
    assert (has_both, set(has_one)) == (both, {first, second})
    assert await posts(alice, f"{one} {other}", limit=1) == [both]


@pytest.mark.parametrize("hides", ["graph.block", "graph.mute"])
async def test_posts_are_found_behind_many_newer_ones_that_are_hidden(cluster: Cluster, person, hides):
    alice, bob, bot = await person("alice"), await person("bob"), await person("bot", node="b")
    koshari = word(cluster)
    visible = (await bob.call("post.create", text=f"{koshari} في وسط البلد"))["id"]
    await cluster.settle()
    text, ids = f"{koshari} عاجل", [cluster.stores.ids.mint() for _ in range(MOST_CANDIDATES + 100)]
    owner = await cluster.owner()
    await owner.executemany(
        """INSERT INTO posts (id, author_id, text, visibility, reply_policy)
        VALUES ($1, $2, $3, 'public', 'everyone')""",
        [(post_id, int(bot.id), text) for post_id in ids],
    )
    await owner.close()
    terms, now = document_terms(text), datetime.now(UTC)
    documents = [Document("post", post_id, terms, "", now) for post_id in ids]
    await cluster.workers.tools.search.write(documents, read_at=reading_time())
    await cluster.settle()
    assert len(await posts(alice, koshari, limit=100)) == 100
    await alice.call(hides, user_id=bot.id)
    assert await posts(alice, koshari) == [visible]
    assert found(await alice.call("search.query", q=koshari)) == [visible]


async def test_an_edit_and_a_deletion_change_what_is_found(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob", node="b")
    old, new = word(cluster), word(cluster)
    post = await bob.call("post.create", text=f"{old} هنا")
    await cluster.settle()
    assert await posts(alice, old) == [post["id"]]
    await bob.call("post.edit", post_id=post["id"], version=post["version"], text=f"{new} هنا")
    await cluster.settle()
    assert await posts(alice, old) == []
    assert await posts(alice, new) == [post["id"]]
    await bob.call("post.delete", post_id=post["id"])
    assert await posts(alice, new) == []  # at once: the index may still have it
    await cluster.settle()
    async with cluster.worker_database.transaction() as tx:
        assert not await tx.fetchval("SELECT true FROM search_documents WHERE id = $1", int(post["id"]))


async def test_a_block_or_a_private_account_hides_posts_at_once(cluster: Cluster, person):
    alice, bob, carol = await person("alice"), await person("bob", node="b"), await person("carol")
    tag = word(cluster)
    of_bob, of_carol = [(await who.call("post.create", text=f"#{tag} هنا"))["id"] for who in (bob, carol)]
    await cluster.settle()
    assert set(await posts(alice, f"#{tag}")) == {of_bob, of_carol}
    await bob.call("graph.block", user_id=alice.id)
    await carol.call("user.update", is_private=True)
    page = await alice.call("search.query", q=f"#{tag}")
    assert page["items"] == []
    assert (await alice.call("search.suggest", q=f"#{tag[:6]}"))["items"] == []
    assert found(await bob.call("search.query", q=tag, kind="hashtag"), "hashtag") == [tag]


async def test_pages_keep_one_order_and_skip_what_was_deleted(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob", node="b")
    koshari = word(cluster)
    made = [(await bob.call("post.create", text=f"{koshari} رقم"))["id"] for _ in range(7)]
    await cluster.settle()
    whole = await posts(alice, koshari)
    assert set(whole) == {*made}
    first = await alice.call("search.query", q=koshari, kind="post", limit=3)
    await bob.call("post.create", text=f"{koshari} جديد")
    await bob.call("post.delete", post_id=whole[3])
    await cluster.settle()
    second = await alice.call("search.query", q=koshari, kind="post", limit=2, cursor=first["next_cursor"])
    third = await alice.call("search.query", q=koshari, kind="post", limit=9, cursor=second["next_cursor"])
    assert found(first) + found(second) + found(third) == whole[:3] + whole[4:]
    assert third["next_cursor"] is None
    # A cursor belongs to its user and its query.
    for who, q in ((bob, koshari), (alice, "شاورما")):
        refused = await who.refused("search.query", q=q, kind="post", cursor=first["next_cursor"])
        assert (refused.code, refused.fields) == ("INVALID_ARGUMENT", ["cursor"])
    redis = cluster.redis
    keys = [key async for key in redis.commands.scan_iter(redis.key("*:search", "*"))]
    assert keys
    for key in keys:
        assert 0 < await redis.commands.ttl(key) <= LIFETIME_S
        await redis.commands.delete(key)
    refused = await alice.refused("search.query", q=koshari, kind="post", cursor=first["next_cursor"])
    assert refused.code == "FAILED_PRECONDITION"


async def test_a_followed_user_is_found_among_many_who_match_as_well(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    await alice.call("graph.follow", user_id=bob.id)
    crowd = [cluster.unique("crowd") for _ in range(MOST_LOOSER)]
    await cluster.tokens(crowd)
    await cluster.settle()
    name = word(cluster, "سندس")
    _, sound, *_ = query_groups(name)[0]
    owner = await cluster.owner()
    ids = [row[0] for row in await owner.fetch("SELECT id FROM users WHERE username = ANY ($1)", crowd)]
    await owner.close()
    now = datetime.now(UTC)
    await cluster.workers.tools.search.write([
        Document("user", int(bob.id), [sound], bob.name, now),
        *(Document("user", user_id, [sound], "", now, weight=9) for user_id in ids),
    ], read_at=reading_time())  # fmt: skip
    await cluster.settle()
    assert found(await alice.call("search.query", q=name, kind="user"), "user")[0] == bob.id


async def test_a_user_is_found_and_suggested_by_the_exact_username_among_many(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    await make_old(cluster, bob)
    crowd = [cluster.unique("crowd") for _ in range(MOST_CANDIDATES)]
    await cluster.tokens(crowd)
    await cluster.settle()
    owner = await cluster.owner()
    ids = [row[0] for row in await owner.fetch("SELECT id FROM users WHERE username = ANY ($1)", crowd)]
    await owner.close()
    terms = [*{group[0] for group in (*query_groups(bob.name), *suggestion_groups(bob.name))}]
    now = datetime.now(UTC)
    await cluster.workers.tools.search.write([
        Document("user", int(bob.id), terms, bob.name, now),
        *(Document("user", user_id, terms, "", now, weight=9) for user_id in ids),
    ], read_at=reading_time())  # fmt: skip
    await cluster.settle()
    for q in (bob.name, f"@{bob.name.upper()}"):
        assert found(await alice.call("search.query", q=q, kind="user"), "user")[0] == bob.id
        assert (await alice.call("search.suggest", q=q))["items"][0]["text"] == bob.name


async def test_people_are_found_by_username_and_name_the_closest_first(cluster: Cluster, person):
    alice = await person("alice")
    near, far, famous = await person("near", node="b"), await person("far"), await person("famous")
    name = word(cluster, "سندس")
    for who in (near, far, famous):
        await who.call("user.update", display_name=name)
    await alice.call("graph.follow", user_id=near.id)
    await near.call("graph.follow", user_id=famous.id)
    await cluster.settle()
    page = await alice.call("search.query", q=name, kind="user")
    assert found(page, "user") == [near.id, famous.id, far.id]
    assert page["items"][0]["user"]["viewer"]["follows"]
    assert found(await alice.call("search.query", q=far.name.upper(), kind="user"), "user")[0] == far.id
    await far.call("user.update", is_private=True)
    assert far.id in found(
        await alice.call("search.query", q=name, kind="user"), "user"
    )  # its posts are hidden, not it
    await near.call("graph.block", user_id=alice.id)
    await alice.call("graph.block", user_id=famous.id)
    assert found(await alice.call("search.query", q=name, kind="user"), "user") == [far.id]
    await far.call("user.update", display_name="اسم آخر")
    await cluster.settle()
    assert found(await alice.call("search.query", q=name, kind="user"), "user") == []


async def test_rooms_are_found_by_topic_live_ones_first(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob", node="b")
    topic = word(cluster, "مجلس")
    rooms = [await bob.call("room.create", topic=f"{topic} العيلة") for _ in range(2)]
    await bob.call("room.create", topic=f"{topic} السري", visibility="private")
    await bob.call("room.start", room_id=rooms[0]["id"], version=rooms[0]["version"])
    await cluster.settle()
    page = await alice.call("search.query", q=topic, kind="room")
    assert found(page, "room") == [rooms[0]["id"], rooms[1]["id"]]
    assert page["items"][0]["room"]["state"] == "live"


async def test_a_search_without_a_kind_shows_people_hashtags_and_rooms_before_posts(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob", node="b")
    name = word(cluster, "نادي")
    await bob.call("user.update", display_name=name)
    post = await bob.call("post.create", text=f"#{name} بطل")
    room = await bob.call("room.create", topic=name)
    await cluster.settle()
    page = await alice.call("search.query", q=name)
    assert [item["kind"] for item in page["items"]] == ["user", "hashtag", "room", "post"]
    user, hashtag, of_room, of_post = page["items"]
    shown = (user["user"]["id"], hashtag["hashtag"]["name"], of_room["room"]["id"], of_post["post"]["id"])
    assert shown == (bob.id, name, room["id"], post["id"])
    assert (await alice.call("search.query", q=name, kind="sound")) == {"items": [], "next_cursor": None}


async def test_suggestions_continue_what_is_typed(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob", node="b")
    await make_old(cluster, bob)
    name = word(cluster, "زمالك")
    await bob.call("user.update", display_name=f"{name} الأبيض")
    await bob.call("post.create", text=f"مبروك #{name}")
    await cluster.settle()
    typed = (await alice.call("search.suggest", q=name[:-1]))["items"]
    assert [(item["kind"], item["text"]) for item in typed] == [("user", bob.name), ("hashtag", f"#{name}")]
    assert typed[0]["user"]["id"] == bob.id
    assert [item["text"] for item in (await alice.call("search.suggest", q=f"#{name[:-1]}"))["items"]] == [f"#{name}"]
    in_latin = (await alice.call("search.suggest", q=f"{name} elab"))["items"]  # الأب
    assert [item["text"] for item in in_latin] == [bob.name]
    await alice.call("graph.mute", user_id=bob.id, kind="all")
    assert (await alice.call("search.suggest", q=name[:-1]))["items"] == []
    # Muted people are found, so that they can be unmuted; their posts are not.
    assert found(await alice.call("search.query", q=name, kind="user"), "user") == [bob.id]
    assert await posts(alice, name) == []


@pytest.mark.parametrize("why", ["is new", "is a minor", "does not want to be suggested"])
async def test_some_are_suggested_to_those_alone_who_follow_them(cluster: Cluster, person, why: str):
    stranger, fan, someone = await person("stranger"), await person("fan"), await person("someone", node="b")
    name = word(cluster, "زمالك")
    await someone.call("user.update", display_name=name)
    await fan.call("graph.follow", user_id=someone.id)
    await make_old(cluster, someone)
    await cluster.settle()

    async def suggested(who) -> list[str]:
        return [item["text"] for item in (await who.call("search.suggest", q=name))["items"]]

    assert await suggested(stranger) == await suggested(fan) == await suggested(someone) == [someone.name]
    owner = await cluster.owner()
    if why == "is new":
        await owner.execute("UPDATE users SET created_at = now() WHERE id = $1", int(someone.id))
    else:
        born, suggest_me = ("17 years", True) if why == "is a minor" else ("40 years", False)
        await owner.execute(
            """INSERT INTO accounts (user_id, email, email_key, birth_date, suggest_me)
            VALUES ($1, $2, $2, (now() - $3::text::interval)::date, $4) ON CONFLICT (user_id) DO UPDATE
            SET birth_date = excluded.birth_date, suggest_me = excluded.suggest_me""",
            int(someone.id), f"{someone.name}@example.org", born, suggest_me,
        )  # fmt: skip
    await owner.close()
    assert await suggested(stranger) == []
    assert await suggested(fan) == await suggested(someone) == [someone.name]
    assert found(await stranger.call("search.query", q=name, kind="user"), "user") == [someone.id]


async def test_a_word_is_suggested_once_20_people_who_are_not_new_have_written_it_in_public(cluster: Cluster, person):
    alice = await person("alice")
    shared, secret = word(cluster, "برتقال"), word(cluster, "سرداب")
    people = await asyncio.gather(*(person(f"writer{number}") for number in range(stored.FIRST_AUTHORS)))
    await make_old(cluster, *people[1:])
    for who in people[1:]:
        await who.call("post.create", text=f"{shared} اليوم")
        await who.call("post.create", text=f"{secret} اليوم", visibility="followers")
    await cluster.settle()
    assert (await alice.call("search.suggest", q=shared[:-1]))["items"] == []
    await people[0].call("post.create", text=f"{shared} اليوم")
    await cluster.settle()
    assert (await alice.call("search.suggest", q=shared[:-1]))["items"] == []
    await make_old(cluster, people[0])
    await people[0].call("post.create", text=f"{shared} اليوم")
    await cluster.settle()
    assert (await alice.call("search.suggest", q=shared[:-1]))["items"] == [
        {"kind": "word", "text": shared, "user": None}
    ]
    assert (await alice.call("search.suggest", q=secret[:-1]))["items"] == []


async def test_recent_searches_are_ones_own_bounded_and_cleared(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob", node="b")

    async def recent(who) -> list[str]:
        return [item["q"] for item in (await who.call("search.recent"))["items"]]

    for q in ("قهوة", "شاي", "القاهرة", "قهوه"):
        await alice.call("search.query", q=q, kind="post")
    assert await recent(alice) == ["قهوه", "القاهرة", "شاي"]  # another spelling is the same search
    assert await recent(bob) == []
    await alice.call("search.clear", q="قهوة")
    assert await recent(alice) == ["القاهرة", "شاي"]
    for number in range(stored.MOST_RECENT + 2):
        await alice.call("search.query", q=f"word{number}", kind="hashtag")
    newest = await recent(alice)
    assert (len(newest), newest[0]) == (stored.MOST_RECENT, f"word{stored.MOST_RECENT + 1}")
    await alice.call("search.clear")
    assert await recent(alice) == []
    for q in ("ﷺ" * 56, "ﷺ" * 200):  # 18 letters each, once they are folded
        await alice.call("search.query", q=q, kind="post")
        assert await recent(alice) == [q]
        await alice.call("search.clear", q=q)
        assert await recent(alice) == []


@pytest.mark.parametrize(
    "q",
    [
        "a OR b OR c " * 16, "(((((" * 30, "a.*b+c?[^d]{2,9}$", "'; DROP TABLE users; --", "\\", "'", "& | !", "*:*",
        "في من على", "the a of", "😂😂😂", "❤️", "#", "##", "@", "#في", "٪" * 200, "ـ" * 199 + "ا", "7" * 200,
        "ا" + "َ" * 20, "x" * 200, " ".join("ab" for _ in range(66)), "a:b:*", "~", "^", "^~",
    ],
)  # fmt: skip
async def test_malicious_queries_are_answered(cluster: Cluster, person, q):
    alice = await person("alice")
    for arguments in ({"kind": "post"}, {"kind": "user"}, {"kind": "hashtag"}, {"kind": "room"}, {}):
        await alice.call("search.query", q=q, **arguments)
    await alice.call("search.suggest", q=q)


@pytest.mark.parametrize(
    "q", ["x" * 10_000, "a OR " * 1_000, "\u202eabc", "a\u202bb", "\x00", "a\x00", " ", "\u200b", "", "a\nb", "\u2066a"]
)
async def test_queries_that_are_no_text_of_a_line_are_refused(cluster: Cluster, person, q):
    alice = await person("alice")
    for method in ("search.query", "search.suggest", "search.clear"):
        refused = await alice.refused(method, q=q)
        assert refused.code == "INVALID_ARGUMENT"
        assert refused.fields in (["q"], ["$"])  # a packet that is too large is refused whole
