"""CONNECT, refusals, acknowledgements and server disconnects, as the official clients see them."""

import asyncio
import base64
from datetime import UTC, datetime, timedelta

import pytest

from protocol.tokens import AccessTokens
from tests.cluster import KINDS, Cluster

JAVASCRIPT = ("js-msgpack", "js-json")


@pytest.mark.parametrize("kind", KINDS)
async def test_with_a_token_the_socket_is_signed_in(cluster: Cluster, person, kind):
    alice = await person("alice", kind=kind)
    assert (await alice.call("user.me"))["username"] == alice.name


@pytest.mark.parametrize("kind", KINDS)
async def test_without_a_token_only_auth_and_system_answer(cluster: Cluster, person, kind):
    guest = await cluster.guest(kind=kind)
    assert "server_time" in await guest.call("system.ping")
    assert (await guest.refused("user.me")).code == "UNAUTHENTICATED"
    assert (await guest.refused("post.create", text="hi")).code == "UNAUTHENTICATED"


async def test_session_ready_carries_the_user(cluster: Cluster, person):
    guest = cluster.new_client("guest", "python-json")
    ready = await cluster.connect(guest, node="a", codec="json", token=None)
    assert ready["user"] is None
    assert ready["session_id"] is None
    alice = await person()
    other = cluster.new_client(alice.name, "python-json")
    ready = await cluster.connect(other, node="a", codec="json", token=alice.token)
    assert ready["user"]["id"] == alice.id
    assert ready["protocol"] == 1
    assert ready["recovered"] is False


@pytest.mark.parametrize("kind", JAVASCRIPT)
@pytest.mark.parametrize(
    ("case", "reason"),
    [("garbage", "malformed"), ("expired", "expired"), ("foreign key", "malformed"), ("logged out", "revoked")],
)
async def test_an_invalid_token_is_refused_with_connect_error(cluster: Cluster, person, kind, case, reason):
    alice = await person()
    token = alice.token
    if case == "garbage":
        token = "no-token"
    elif case == "expired":
        keys = AccessTokens(cluster.settings().keys)
        token, _ = keys.mint(int(alice.id), 1, datetime.now(UTC) - timedelta(hours=1))
    elif case == "foreign key":
        token, _ = AccessTokens({"embedded": "x" * 32}).mint(int(alice.id), 1, datetime.now(UTC))
    else:
        await alice.call("auth.logout")
    other = cluster.new_client(alice.name, kind)
    await other.connect(cluster.url(), kind.split("-")[1], {"token": token})
    refusal = await other.happened("connect_error")
    assert refusal["data"] == {"code": "UNAUTHENTICATED", "reason": reason}


@pytest.mark.parametrize("auth", [{"token": 5}, {"token": None, "pid": "x", "unknown": {"deep": [1]}}])
async def test_connect_auth_is_checked_and_unknown_fields_are_ignored(cluster: Cluster, person, auth):
    other = cluster.new_client("somebody", "js-json")
    await other.connect(cluster.url(), "json", auth)
    if auth["token"] is None:
        await other.expect("session.ready")
    else:
        assert (await other.happened("connect_error"))["data"]["reason"] == "malformed"


@pytest.mark.parametrize("kind", JAVASCRIPT)
async def test_an_unknown_namespace_is_refused(cluster: Cluster, person, kind):
    other = cluster.new_client("somebody", kind)
    await other.connect(cluster.url() + "/admin", kind.split("-")[1], None)
    assert (await other.happened("connect_error"))["message"] == "Invalid namespace"


@pytest.mark.parametrize("kind", JAVASCRIPT)
async def test_default_options_open_with_polling_and_upgrade(cluster: Cluster, person, kind):
    alice = cluster.new_client("guest", kind)
    await alice.connect(cluster.url(), kind.split("-")[1], None, transports=["polling", "websocket"])
    await alice.expect("session.ready")
    assert (await alice.happened("upgrade"))["transport"] == "websocket"
    for _ in range(20):
        assert "server_time" in await alice.call("system.ping")


@pytest.mark.parametrize("kind", JAVASCRIPT)
async def test_polling_without_upgrade_carries_calls_and_pushes(cluster: Cluster, person, kind):
    author = await person("author")
    reader = cluster.new_client(cluster.unique("reader"), kind)
    [token] = await cluster.tokens([reader.name])
    await cluster.connect(reader, node="b", codec=kind.split("-")[1], token=token, transports=["polling"])
    await reader.call("graph.follow", user_id=author.id)
    await author.expect("graph.followed")
    post = await author.call("post.create", text="over polling " + "ل" * 500)
    await reader.expect("feed.added", post_id=post["id"])
    assert (await reader.call("post.get", post_id=post["id"]))["text"] == post["text"]


@pytest.mark.parametrize("kind", JAVASCRIPT)
async def test_clients_do_not_reconnect_after_a_server_disconnect(cluster: Cluster, person, kind):
    alice = await person("alice", kind=kind)
    assert await alice.call("auth.logout") == {}
    assert (await alice.happened("disconnect"))["reason"] == "io server disconnect"
    with pytest.raises(TimeoutError):  # a reconnect would come within a second and a half
        async with asyncio.timeout(2):
            await alice.happened("reconnect_attempt")


@pytest.mark.parametrize("kind", JAVASCRIPT)
async def test_clients_reconnect_after_a_lost_transport(cluster: Cluster, person, kind):
    alice = await person("alice", kind=kind)
    await alice.do("drop")
    await alice.happened("reconnect_attempt")
    await alice.expect("session.ready")
    assert (await alice.call("user.me"))["id"] == alice.id


@pytest.mark.parametrize("kind", KINDS)
async def test_every_call_is_answered_and_errors_have_all_fields(cluster: Cluster, person, kind):
    alice = await person("alice", kind=kind)
    failed = await alice.refused("no.such_method")
    assert failed.code == "UNIMPLEMENTED"
    failed = await alice.refused("post.get", post_id="1")
    assert failed.code == "NOT_FOUND"
    assert failed.error["retryable"] is False
    assert failed.error["request_id"]
    assert failed.error["message"]


@pytest.mark.parametrize("kind", JAVASCRIPT)
async def test_a_call_without_argument_or_acknowledgement_runs(cluster: Cluster, person, kind):
    alice = await person("alice", kind=kind)
    assert "server_time" in await alice.send("system.ping")
    assert "server_time" in await alice.send("system.ping", {"$undefined": 1})
    assert "server_time" in await alice.send("system.ping", None)
    await alice.do("emit", method="user.update", args=[{"bio": "set without acknowledgement"}])
    assert (await alice.call("user.me"))["bio"] in ("", "set without acknowledgement")
    await alice.call("user.update", display_name="Alice")  # writes keep their order
    assert (await alice.call("user.me"))["bio"] == "set without acknowledgement"


@pytest.mark.parametrize("kind", JAVASCRIPT)
async def test_two_arguments_are_refused(cluster: Cluster, person, kind):
    alice = await person("alice", kind=kind)
    answer = await alice.answer("user.get", {"user_id": alice.id}, {"more": 1})
    assert answer["error"]["code"] == "INVALID_ARGUMENT"


@pytest.mark.parametrize("kind", JAVASCRIPT)
async def test_binary_in_arguments_is_read_and_refused_by_field(cluster: Cluster, person, kind):
    alice = await person("alice", kind=kind)
    binary = {"$bytes": base64.b64encode(b"\x00\xff binary").decode()}
    failed = await alice.refused("post.create", text=binary)
    assert (failed.code, failed.fields) == ("INVALID_ARGUMENT", ["text"])
    assert (await alice.call("user.me"))["post_count"] == 0


@pytest.mark.parametrize("kind", JAVASCRIPT)
async def test_a_payload_just_under_the_bound_is_accepted_and_one_above_closes(cluster: Cluster, person, kind):
    alice = await person("alice", kind=kind)
    failed = await alice.refused("post.create", text="x" * (1024 * 1024 - 400))
    assert (failed.code, failed.fields) == ("INVALID_ARGUMENT", ["$"])  # the call is larger than its fields allow
    bystander = await person("bob", kind=kind)
    await alice.do("emit", method="post.create", args=[{"text": "x" * (1024 * 1024 + 10)}])
    await alice.happened("disconnect")
    assert (await bystander.call("user.me"))["id"] == bystander.id


@pytest.mark.javascript
@pytest.mark.parametrize("kind", ["js-msgpack", "js-json"])
async def test_undefined_in_javascript_leaves_a_field_and_null_clears_it(person, kind):
    alice = await person("alice", kind=kind)
    await alice.call("user.update", display_name="Alice", bio="about her")
    changed = await alice.send("user.update", {"display_name": {"$undefined": 1}, "bio": None})
    assert (changed["display_name"], changed["bio"]) == ("Alice", "")
    failed = await alice.refused("user.list", user_ids=[alice.id, {"$undefined": 1}])
    assert (failed.code, failed.fields) == ("INVALID_ARGUMENT", ["user_ids[1]"])


async def test_javascript_dates_and_undefined_inside_arguments(cluster: Cluster, person):
    alice, bob = await person("alice", kind="js-msgpack"), await person("bob")
    post = await alice.send("post.create", {"text": "hi", "media_ids": {"$undefined": 1}})
    assert post["text"] == "hi"
    until = int((datetime.now(UTC) + timedelta(hours=1)).timestamp() * 1_000)
    assert await alice.send("graph.mute", {"user_id": bob.id, "until": {"$date": until}}) == {}


async def test_writes_of_one_connection_run_in_arrival_order(cluster: Cluster, person):
    alice = await person("alice")
    names = [f"name {number}" for number in range(20)]
    answers = await asyncio.gather(*(alice.call("user.update", display_name=name) for name in names))
    assert [answer["display_name"] for answer in answers] == names
    assert (await alice.call("user.me"))["display_name"] == names[-1]


async def test_a_socket_gets_session_expired_when_its_token_expires(cluster: Cluster, person):
    alice = await person("alice")
    [token] = await cluster.tokens([alice.name], lifetime=timedelta(seconds=-55))
    other = cluster.new_client(alice.name, "js-json")
    await cluster.connect(other, node="b", codec="json", token=token)
    await other.expect("session.expired")
    assert (await other.happened("disconnect"))["reason"] == "io server disconnect"


async def test_refreshing_on_a_live_socket_extends_it(cluster: Cluster, person):
    guest = await cluster.guest()
    signed_in = await guest.call(
        "auth.register",
        username=cluster.unique("rita"),
        email=f"{cluster.unique('r')}@example.org",
        password="a long password",
    )
    await guest.expect("session.ready")
    again = await guest.call("auth.refresh", refresh_token=signed_in["refresh_token"])
    assert again["session_id"] == signed_in["session_id"]
    assert (await guest.call("user.me"))["id"] == signed_in["user"]["id"]


async def test_handshakes_from_other_origins_are_refused(cluster: Cluster, person):
    stranger = cluster.new_client("stranger", "js-json")
    await stranger.connect(cluster.url(), "json", None, extraHeaders={"Origin": "https://evil.example"})
    await stranger.happened("connect_error")
    neighbour = cluster.new_client("neighbour", "js-json")
    await neighbour.connect(cluster.url(), "json", None, extraHeaders={"Origin": cluster.url()})
    await neighbour.expect("session.ready")
