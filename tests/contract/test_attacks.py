"""Attacks that once succeeded, kept as regression tests."""

import asyncio
import json
import time

import aiohttp
import msgpack
import pytest

from channels.messages import Revoked
from domain.post_channels import AUTHOR
from domain.refresh_tokens import LIFETIME
from gateway.connection import Connection
from gateway.sessions import MOST_SOCKETS_OF_A_SESSION
from handlers.call import Viewer
from protocol.text import MOST_MARKS
from tests.cluster import Cluster
from tests.contract.test_auth import PASSWORD, register
from tests.contract.test_bad_input import Raw, raw  # noqa: F401
from tests.patience import WAIT_S


async def test_a_guessed_session_id_revokes_nothing_and_costs_its_owner_nothing(cluster: Cluster, person):
    alice, answer = await register(cluster)
    thief = await cluster.guest()
    for guess in ("x.y", "x", f"{'f' * 22}.{'s' * 43}"):
        failed = await thief.refused("auth.refresh", refresh_token=f"{answer['session_id']}.{guess}")
        assert failed.code == "UNAUTHENTICATED"
    assert (await alice.call("user.me"))["id"] == alice.id
    again = await alice.call("auth.refresh", refresh_token=answer["refresh_token"])
    assert again["session_id"] == answer["session_id"]
    assert LIFETIME.days == 30


async def test_many_combining_marks_do_not_block_the_node(cluster: Cluster, person):
    guest, bystander = await cluster.guest(), await person("alice")
    piles = "\u0301\u0327" * 3_000
    began = time.process_time()
    failed, _ = await asyncio.gather(
        guest.refused("auth.login", email="a@example.org", password=piles), bystander.call("system.ping")
    )
    assert failed.fields == ["password"]
    assert time.process_time() - began < 10  # it took minutes
    pile = "\u0301\u0327" * 2_000
    assert (await bystander.refused("post.create", text=f"e{pile}")).fields == ["text"]
    text = "e" + "\u0327" * (MOST_MARKS - 1)
    assert (await bystander.call("post.create", text=text))["text"]


async def test_an_answer_above_a_mebibyte_reaches_a_client_that_reads(cluster: Cluster, person):
    alice = await person("alice", kind="js-json")
    for number in range(60):
        await alice.call("post.create", text=f"{number} " + "\U00020000" * 4_990)
    page = await alice.call("post.list", user_id=alice.id, limit=100)
    assert len(page["items"]) == 60


async def test_a_socket_that_closes_during_sign_in_leaves_no_state(cluster: Cluster, person, monkeypatch):
    alice, _ = await register(cluster)
    members = cluster.node_a.parts.members
    sign_in, signed_in = Connection.sign_in, []

    def sign_in_and_note(connection: Connection, viewer: Viewer) -> None:
        sign_in(connection, viewer)
        signed_in.append(viewer.id)

    monkeypatch.setattr(Connection, "sign_in", sign_in_and_note)
    async with aiohttp.ClientSession() as session:
        for _ in range(3):
            socket = await session.ws_connect(f"{cluster.url()}/socket.io/?EIO=4&transport=websocket")
            await socket.receive()
            await socket.send_str("40{}")
            login = {"email": f"{alice.name}@example.org", "password": PASSWORD}
            await socket.send_str("421" + json.dumps(["auth.login", login]))
            await asyncio.sleep(0.05)
            await socket.close()
    async with asyncio.timeout(WAIT_S):
        while signed_in != [int(alice.id)] * 3:
            await asyncio.sleep(0.05)
    await alice.call("system.ping")
    assert len(members.of_user(int(alice.id))) == 1


async def test_a_follow_concurrent_with_a_block_does_not_survive(cluster: Cluster, person):
    for _ in range(15):
        alice, eve = await person("alice", node="a"), await person("eve", node="b")
        await asyncio.gather(
            alice.call("graph.block", user_id=eve.id), eve.answer("graph.follow", {"user_id": alice.id})
        )
        assert (await eve.call("user.me"))["following_count"] == 0
        post = await alice.call("post.create", text="not for eve")
        await cluster.settle(eve)
        assert eve.heard("feed.added") == []
        assert (await eve.refused("post.get", post_id=post["id"])).code == "NOT_FOUND"


async def test_a_watch_concurrent_with_turning_private_gets_no_pushes(cluster: Cluster, person):
    for _ in range(15):
        alice, eve = await person("alice", node="a"), await person("eve", node="b")
        post = await alice.call("post.create", text="open")
        _, watched = await asyncio.gather(
            alice.call("user.update", is_private=True), eve.answer("post.watch", {"post_id": post["id"]})
        )
        await cluster.settle(eve)
        await alice.call("post.edit", post_id=post["id"], version=1, text="closed")
        await cluster.settle(eve)
        assert eve.heard("post.edited") == [], watched


async def test_a_push_names_no_user_who_blocks_its_reader(cluster: Cluster, person):
    author, reader, carol = await person("author"), await person("reader"), await person("carol")
    await carol.call("graph.block", user_id=reader.id)
    post = await author.call("post.create", text="hello")
    await reader.call("post.watch", post_id=post["id"])
    await author.call("post.edit", post_id=post["id"], version=1, text=f"hello @{carol.name} @{author.name}")
    push = await reader.expect("post.edited")
    assert [user["id"] for user in push["post"]["mentions"]] == [author.id]
    assert [user["id"] for user in (await author.call("post.get", post_id=post["id"]))["mentions"]] == [
        author.id,
        carol.id,
    ]


async def test_a_login_concurrent_with_a_password_change_does_not_outlive_it(cluster: Cluster, person):
    alice, _ = await register(cluster)
    guests = [await cluster.guest() for _ in range(3)]
    login = {"email": f"{alice.name}@example.org", "password": PASSWORD}
    change = {"old_password": PASSWORD, "new_password": "another password"}
    await asyncio.gather(
        alice.call("auth.change_password", **change), *(guest.answer("auth.login", login) for guest in guests)
    )
    sessions = (await alice.call("session.list"))["items"]
    assert [session["current"] for session in sessions] == [True]


@pytest.mark.parametrize(
    ("codec", "method", "encoded"),
    [
        ("json", "system.ping", b'{"\\ud800":1}'),
        ("json", "post.create", b'{"text":"x","visibility":"\\ud800"}'),
        ("json", "graph.mute", b'{"user_id":"1","until":"\\ud800"}'),
        ("json", "system.ping", b'{"' + b"k" * 600_000 + b'":1}'),
        ("msgpack", "post.create", b"\x82\xa4text\xd4\x05\x00\xa1x\x81\x90\x01"),
    ],
)
async def test_input_that_once_broke_a_handler(cluster: Cluster, person, raw, codec, method, encoded):  # noqa: F811
    alice = await person("alice")
    socket: Raw = await raw(codec, alice.token)
    answer = await socket.event(method, encoded)
    assert answer["error"]["code"] == "INVALID_ARGUMENT"
    assert len(json.dumps(answer)) < 2_000


async def test_times_at_the_end_of_the_range(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    failed = await alice.refused("graph.mute", user_id=bob.id, until="9999-12-31T23:59:59-12:00")
    assert (failed.code, failed.fields) == ("INVALID_ARGUMENT", ["until"])


async def test_a_strange_user_agent(cluster: Cluster, person):
    async with aiohttp.ClientSession() as session:
        socket = await session.ws_connect(
            f"{cluster.url()}/socket.io/?EIO=4&transport=websocket", headers={"User-Agent": "x\udcff"}
        )
        own = Raw(socket, "json")
        await own.connect(None)
        name = cluster.unique("agent")
        fields = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
        assert (await own.event("auth.register", json.dumps(fields).encode()))["ok"] is True


@pytest.mark.parametrize(
    "frames",
    [
        ["421null"], ["421true"], ['421{"system.ping":1}'], ['421"ab"'],
        ['451-7["system.ping",{"x":' + "[" * 900 + "]" * 900 + "}]", b"x"],
        ['451-7["post.create",{"text":{"_placeholder":true,"num":0}}]', '428["system.ping"]'],
    ],
)  # fmt: skip
async def test_invalid_envelopes(cluster: Cluster, person, raw, frames, capfd):  # noqa: F811
    alice = await person("alice")
    socket = await raw("json", alice.token)
    for frame in frames:
        if isinstance(frame, str):
            await socket.web_socket.send_str(frame)
        else:
            await socket.web_socket.send_bytes(frame)
    if len(frames) == 2 and isinstance(frames[1], bytes):
        message = await socket.web_socket.receive(timeout=WAIT_S)  # nested, but not unreadable
        assert message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
    else:
        await socket.ends()
    assert "Traceback" not in capfd.readouterr().err


async def test_a_map_as_key_in_connect(cluster: Cluster, person):
    async with aiohttp.ClientSession() as session:
        socket = await session.ws_connect(f"{cluster.url()}/socket.io/?EIO=4&transport=websocket")
        await socket.receive()
        await socket.send_bytes(b"\x83\xa4type\x00\xa3nsp\xa1/\xa4data\x82\xa5token\xd4\x05\x00\xa1x\x81\x90\x01")
        refusal = msgpack.unpackb((await socket.receive(timeout=WAIT_S)).data)
        assert refusal["data"]["data"]["reason"] == "malformed"


async def polling(session: aiohttp.ClientSession, cluster: Cluster) -> str:
    url = f"{cluster.url()}/socket.io/?EIO=4&transport=polling"
    async with session.get(url) as response:
        return f"{url}&sid={json.loads((await response.text())[1:])['sid']}"


async def test_polling_bodies_in_chunks_and_with_many_packets(cluster: Cluster, person):
    async def in_pieces(text: str):
        for start in range(0, len(text), 40):
            yield text[start : start + 40].encode()
            await asyncio.sleep(0.01)

    alice = await person("alice")
    async with aiohttp.ClientSession() as session:
        url = await polling(session, cluster)
        async with session.post(url, data=in_pieces("40" + json.dumps({"token": alice.token}))) as response:
            assert response.status == 200
        async with session.post(url, data="\x1e".join(f'42{n}["system.ping"]' for n in range(40))) as response:
            assert response.status == 200
        received = ""
        async with asyncio.timeout(WAIT_S):
            while received.count("server_time") < 41:  # session.ready has one, too
                async with session.get(url) as response:
                    received += await response.text()


async def test_one_session_has_one_websocket(cluster: Cluster, person):
    async with aiohttp.ClientSession() as session:
        url = (await polling(session, cluster)).replace("transport=polling", "transport=websocket")
        first = await session.ws_connect(url)
        for _ in range(3):
            second = await session.ws_connect(url)
            assert (await second.receive()).type is aiohttp.WSMsgType.CLOSE
        await first.send_str("2probe")
        assert (await first.receive()).data == "3probe"
        await first.send_str("5")
        await first.send_str("40{}")
        assert (await first.receive(timeout=WAIT_S)).data.startswith("40")


async def test_a_large_authors_followers_stay_subscribed_when_a_circle_is_deleted(cluster: Cluster, person):
    star, fan = await person("star", node="a"), await person("fan", node="b")
    await fan.call("graph.follow", user_id=star.id)
    await cluster.settle(fan)
    owner = await cluster.owner()
    await owner.execute("UPDATE users SET is_large = true WHERE id = $1", int(star.id))
    other = await cluster.again(fan, node="b")
    circle = await star.call("circle.create", name="c", user_ids=[fan.id])
    await star.call("circle.remove", circle_id=circle["id"], user_ids=[fan.id])
    await star.call("circle.delete", circle_id=circle["id"])
    await star.call("user.update", is_private=True)
    await cluster.settle(other)
    [member] = [
        one for one in cluster.node_b.parts.members.of_user(int(fan.id)) if AUTHOR.channel(int(star.id)) in one.channels
    ]
    assert member.session_id
    await owner.execute("UPDATE users SET is_large = false WHERE id = $1", int(star.id))
    await owner.close()


async def test_a_node_catches_up_on_rights_after_a_gap(cluster: Cluster, person):
    """After its link was lost, a node finds out which sessions ended and which users may no longer watch."""
    alice, eve = await person("alice", node="a"), await person("eve", node="b")
    gone = await person("gone", node="b")
    post = await alice.call("post.create", text="open")
    await eve.call("post.watch", post_id=post["id"])
    owner = await cluster.owner()  # as if every notice of it had been lost
    await owner.execute("INSERT INTO blocks (blocker_id, blocked_id) VALUES ($1, $2)", int(alice.id), int(eve.id))
    await owner.execute(
        "UPDATE sessions SET revoked_at = now(), revoked_reason = 'revoked' WHERE user_id = $1",
        int(gone.id),
    )
    await owner.close()
    await cluster.redis.commands.client_kill_filter(_type="pubsub", skipme=False)
    assert (await gone.expect("session.revoked"))["reason"] == "revoked"
    async with asyncio.timeout(WAIT_S):
        while any(one.channels for one in cluster.node_b.parts.members.of_user(int(eve.id))):
            await asyncio.sleep(0.02)
        while not cluster.node_a.parts.subscriptions.is_whole:  # it has lost its link, too
            await asyncio.sleep(0.02)
    await alice.call("post.edit", post_id=post["id"], version=1, text="not for eve")
    await cluster.settle(eve)
    assert eve.heard("post.edited") == []


async def test_a_polling_client_that_closes_before_its_last_get_still_gets_an_answer(cluster: Cluster):
    """The client sends its close and its GET at once, over two connections."""
    async with aiohttp.ClientSession() as session:
        url = await polling(session, cluster)
        async with session.post(url, data="1") as closing:
            assert closing.status == 200
        for status in (200, 400):
            async with session.get(url) as last:
                assert last.status == status


async def test_a_revocation_whose_direct_notice_was_lost_arrives_through_the_event_log(
    cluster: Cluster, person, monkeypatch
):
    alice, other = await person("alice", node="a"), None
    other = await cluster.again(alice, node="b")
    published: list[Revoked] = []

    async def lose(revoked: Revoked) -> None:
        published.append(revoked)

    monkeypatch.setattr(cluster.node_a.parts.services.broadcaster, "revoke", lose)
    [session] = [s for s in (await alice.call("session.list"))["items"] if not s["current"]]
    await alice.call("session.revoke", session_id=session["id"])
    assert (await other.expect("session.revoked"))["reason"] == "revoked"
    assert published


async def test_the_sockets_of_a_session_are_bounded(cluster: Cluster, person):
    alice = await person("alice")
    for _ in range(MOST_SOCKETS_OF_A_SESSION - 1):
        await cluster.connect(cluster.new_client(alice.name, "js-json"), node="a", codec="json", token=alice.token)
    surplus = cluster.new_client(alice.name, "js-json")
    await surplus.connect(cluster.url(), "json", {"token": alice.token})
    await surplus.happened("reconnect_attempt")
    assert len(cluster.node_a.parts.members.of_user(int(alice.id))) == MOST_SOCKETS_OF_A_SESSION
