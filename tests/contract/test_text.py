"""Texts, names, hashtags and reactions as clients send them."""

import pytest

from tests.cluster import Cluster
from tests.contract.test_auth import PASSWORD, register
from tests.contract.test_live_rooms import open_room

NOTHING = "\u200b\u3164\u2800"
SPLIT = "a\u2028b"
OVERRIDDEN = "a\u202eb"
UNCLOSED = "a\u2067b"


async def test_invisible_texts_and_open_directions_are_refused_in_all_fields(person):
    alice, bob = await person("alice"), await person("bob")
    room_id = await open_room(alice)
    one_line = [
        ("user.update", "display_name", {}),
        ("circle.create", "name", {}),
        ("room.create", "topic", {}),
        ("presence.set", "text", {"status": "online"}),
    ]
    lines = [
        ("post.create", "text", {}),
        ("room.send", "text", {"room_id": room_id}),
        ("user.update", "bio", {}),
        ("graph.block", "reason", {"user_id": bob.id}),
    ]
    for method, field, others in one_line + lines:
        bad = (NOTHING, UNCLOSED, "\u0f73" * 200) + ((SPLIT, OVERRIDDEN) if (method, field, others) in one_line else ())
        for text in bad:
            failed = await alice.refused(method, **others, **{field: text})
            assert (failed.code, failed.fields) == ("INVALID_ARGUMENT", [field]), (method, text)


async def test_hashtags_are_whole_words_as_written(person):
    alice = await person("alice")
    post = await alice.call("post.create", text="#أهلاً_وسهلاً #اهلا_وسهلا #مُبارك #रिश्ता https://a.example/#top")
    assert post["hashtags"] == ["أهلاً_وسهلاً", "مُبارك", "रिश्ता"]


async def test_a_mention_is_a_whole_username(person):
    alice, bob = await person("alice"), await person("bob")
    text = f"https://a.example/@{bob.name} @{bob.name}ة @{bob.name}@a.example x@{bob.name}"
    assert (await alice.call("post.create", text=text))["mentions"] == []
    assert [each["id"] for each in (await alice.call("post.create", text=f"{text} @{bob.name}."))["mentions"]] == [
        bob.id
    ]


async def test_reactions_are_emoji_and_nothing_else(person):
    host = await person("host")
    room_id = await open_room(host)
    for emoji in ("\u200b", "،", "\u0301", "\ue000", "a", "🔥🔥"):
        failed = await host.refused("room.react", room_id=room_id, emoji=emoji)
        assert (failed.code, failed.fields) == ("INVALID_ARGUMENT", ["emoji"])
    for emoji in ("1️⃣", "ℹ", "❤"):
        await host.call("room.react", room_id=room_id, emoji=emoji)
    counts: dict[str, int] = {}
    while counts != {"1️⃣": 1, "ℹ️": 1, "❤️": 1}:
        counts |= (await host.expect("room.reacted"))["counts"]


async def test_muted_users_cannot_write_with_reactions(cluster: Cluster, person):
    host, troll = await person("host"), await person("troll")
    room_id = await open_room(host)
    await troll.call("room.join", room_id=room_id)
    await troll.call("room.react", room_id=room_id, emoji="🇪🇬")
    await host.call("room.mute", room_id=room_id, user_id=troll.id, muted=True)
    for emoji in ("🅰️", "🇪🇬", "1️⃣", "ℹ️"):
        assert (await troll.refused("room.react", room_id=room_id, emoji=emoji)).code == "PERMISSION_DENIED"
    await troll.call("room.react", room_id=room_id, emoji="👏")


async def test_addresses_are_trimmed(cluster: Cluster, person):
    name = cluster.unique("spacious")
    await register(cluster, email=f" {name}@example.org \n")
    guest = await cluster.guest()
    await guest.call("auth.login", email=f"{name}@example.org\u00a0", password=PASSWORD)


@pytest.mark.parametrize("password", ["password", "12345678", " " * 8, "١٢٣٤٥٦٧٨"])
async def test_common_passwords_are_refused(cluster: Cluster, person, password):
    alice, _ = await register(cluster)
    failed = await alice.refused("auth.change_password", old_password=PASSWORD, new_password=password)
    assert (failed.code, failed.fields) == ("INVALID_ARGUMENT", ["new_password"])
    guest, name = await cluster.guest(), cluster.unique("careless")
    failed = await guest.refused("auth.register", username=name, email=f"{name}@example.org", password=password)
    assert (failed.code, failed.fields) == ("INVALID_ARGUMENT", ["password"])


async def test_reserved_names_are_taken(cluster: Cluster, person):
    guest = await cluster.guest()
    for name in ("admin", "Support", "ad.min", "r00t_"):
        failed = await guest.refused(
            "auth.register", username=name, email=f"{cluster.unique('x')}@example.org", password=PASSWORD
        )
        assert (failed.code, failed.fields) == ("ALREADY_EXISTS", ["username"])
