"""Ended sessions: their sockets are closed directly, and by an event in case that fails."""

import asyncio

import pytest

from channels.messages import Revoked
from protocol.events import SessionsEndedEvent
from tests.cluster import Cluster
from tests.contract.test_auth import PASSWORD, register
from tests.faults import soon


class Recorded:
    """The notices to nodes, which are not sent, and the events of one node's calls."""

    def __init__(self, cluster: Cluster, monkeypatch) -> None:
        services = cluster.node_a.parts.services
        self.notices: list[Revoked] = []
        self.events: list[SessionsEndedEvent] = []
        self._add = services.outbox.add
        monkeypatch.setattr(services.broadcaster, "revoke", self._revoke)
        monkeypatch.setattr(services.outbox, "add", self._keep)

    async def _revoke(self, revoked: Revoked) -> None:
        self.notices.append(revoked)

    async def _keep(self, tx, event) -> int:
        self.events.append(event)
        return await self._add(tx, event)

    async def amount(self) -> int:
        return len(self.notices)


async def act(how: str, cluster: Cluster, alice, first: dict, other: dict) -> tuple[list[int], str]:
    """End sessions in that way; return which, and for which reason."""
    match how:
        case "logout":
            await alice.call("auth.logout")
            return [int(first["session_id"])], "logout"
        case "revoke":
            await alice.call("session.revoke", session_id=other["session_id"])
            return [int(other["session_id"])], "revoked"
        case "change_password":
            await alice.call("auth.change_password", old_password=PASSWORD, new_password="another password")
            return [int(other["session_id"])], "password_changed"
        case _:
            second = await alice.call("auth.refresh", refresh_token=first["refresh_token"])
            await alice.call("auth.refresh", refresh_token=second["refresh_token"])
            await alice.refused("auth.refresh", refresh_token=first["refresh_token"])
            return [int(first["session_id"])], "reused"


@pytest.mark.parametrize("how", ["logout", "revoke", "change_password", "reuse"])
async def test_sockets_of_an_ended_session_are_closed_directly_and_by_an_event(
    cluster: Cluster, person, monkeypatch, how
):
    alice, first = await register(cluster)
    guest = await cluster.guest(node="b")
    other = await guest.call("auth.login", email=f"{alice.name}@example.org", password=PASSWORD)
    recorded = Recorded(cluster, monkeypatch)
    ended, reason = await act(how, cluster, alice, first, other)
    await soon(recorded.amount, 1)
    assert recorded.notices == [Revoked(ended, reason)]
    assert [(event.user_id, [*event.session_ids], event.reason) for event in recorded.events] == [
        (int(alice.id), ended, reason)
    ]
    owner = await cluster.owner()
    alive = "SELECT id FROM sessions WHERE user_id = $1 AND revoked_at IS NULL ORDER BY id"
    left = {int(first["session_id"]), int(other["session_id"])} - {*ended}
    assert {row["id"] for row in await owner.fetch(alive, int(alice.id))} == left
    actions = await owner.fetch("SELECT action, resource FROM audit WHERE actor_id = $1 ORDER BY id", int(alice.id))
    await owner.close()
    assert (actions[-1]["action"], actions[-1]["resource"]) == {
        "logout": ("auth.logout", f"session:{ended[0]}"),
        "revoke": ("session.revoke", f"session:{ended[0]}"),
        "change_password": ("auth.change_password", f"user:{alice.id}"),
        "reuse": ("auth.refresh_reused", f"session:{ended[0]}"),
    }[how]


async def test_revoking_a_session_twice_changes_nothing(cluster: Cluster, person, monkeypatch):
    alice, _ = await register(cluster)
    other = await cluster.again(alice, node="b")
    [session] = [each for each in (await alice.call("session.list"))["items"] if not each["current"]]
    assert await alice.call("session.revoke", session_id=session["id"]) == {}
    await other.happened("disconnect")
    recorded = Recorded(cluster, monkeypatch)
    assert await alice.call("session.revoke", session_id=session["id"]) == {}
    await alice.call("system.ping")
    assert (recorded.notices, recorded.events) == ([], [])


async def test_a_changed_password_ends_the_recovery_of_the_callers_socket(cluster: Cluster, person):
    alice, _ = await register(cluster)
    [member] = cluster.node_a.parts.members.of_user(int(alice.id))
    stores = cluster.node_a._stores
    shard, key = stores.redis_keys.shard_of_user(member.user_id), stores.redis_keys.session(member.user_id, member.pid)
    assert await stores.shards.call(shard, "EXISTS", key) == 1
    change = {"old_password": PASSWORD, "new_password": "another password"}
    await alice.call("auth.change_password", **change)
    assert await stores.shards.call(shard, "EXISTS", key) == 0
    assert await alice.call("auth.change_password", **change) == {}  # its answer was lost
    failed = await alice.refused("auth.change_password", old_password=PASSWORD, new_password="a third password")
    assert failed.fields == ["old_password"]


async def test_a_login_concurrent_with_a_suspension_opens_a_restricted_session(cluster: Cluster, person):
    alice, _ = await register(cluster)
    guest = await cluster.guest()
    owner = await cluster.owner()
    transaction = owner.transaction()
    await transaction.start()
    await owner.execute("UPDATE users SET status = 'suspended' WHERE id = $1", int(alice.id))
    login = {"email": f"{alice.name}@example.org", "password": PASSWORD}
    signing_in = asyncio.create_task(guest.answer("auth.login", login))
    watcher = await cluster.owner()
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    assert await soon(lambda: watcher.fetchval(waiting), 1) == 1
    await transaction.commit()
    signed_in = (await signing_in)["data"]
    assert signed_in["is_restricted"]
    alive = "SELECT id FROM sessions WHERE user_id = $1 AND revoked_at IS NULL"
    assert [row["id"] for row in await owner.fetch(alive, int(alice.id))] == [int(signed_in["session_id"])]
    assert (await guest.refused("user.me")).code == "PERMISSION_DENIED"
    await watcher.close()
    await owner.close()
