"""A network partition: one node and one worker lose Redis, which the others still reach."""

import asyncio

import pytest

from channels.nodes import DEAD_AFTER_S, STEADY_AFTER_S
from tests.patience import WAIT_S
from tests.topology import verifier
from tests.topology.ledger import SILENT
from tests.topology.topology import SHARDS

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]


async def test_a_node_without_redis_leaves_no_ghosts_and_tells_its_clients(system):
    topology, load = system
    loop = asyncio.get_running_loop()
    await spread(topology, load)
    load.resume()
    near = [topology.host(name) for name in (await topology.busiest_node(), "worker-2")]
    far = [topology.host(name) for name in SHARDS]
    began = loop.time()
    await asyncio.to_thread(topology.network.cut, near, far)
    try:
        await asyncio.sleep(DEAD_AFTER_S + STEADY_AFTER_S)
        behind = {each.user for each in load.ledger.between(began, loop.time()) if each.code == "UNAVAILABLE"}
        served = {each.user for each in load.ledger.between(began + DEAD_AFTER_S, loop.time(), "reaction")
                  if each.code == "OK"}  # fmt: skip
        ahead = [user for user in load.users if user.present and user.name in served - behind]
        assert behind
        assert ahead
        # The other node shows that they cannot be reached.
        roster = await verifier.soon_true(lambda: seen_inside(load, ahead[0], behind))
        assert roster == []
    finally:
        await asyncio.to_thread(topology.network.heal, near, far)
    healed = loop.time()
    assert await verifier.soon_true(lambda: all_works(load, loop.time())) == []
    load.check()
    await load.pause()
    assert await verifier.soon_true(lambda: verifier.ghosts(load)) == []
    assert await verifier.soon_true(lambda: now(verifier.missed_pushes(load, began))) == []
    assert await verifier.lost_writes(topology, load.ledger.writes) == []
    assert load.ledger.twice() == 0
    outcomes = load.ledger.between(began, healed)
    assert not [each for each in outcomes if each.code == SILENT], "a client was left without an answer"
    print(f"\n{len(behind)} users behind the cut, told {len([at for at, _ in load.ledger.told if at >= began])} times")


async def spread(topology, load) -> None:
    """Earlier faults may have left most users on one node: half of them move, once HAProxy knows the other again."""
    async with asyncio.timeout(WAIT_S):
        while min((await topology.clients()).values()) < len(load.users) // 4:
            for user in load.users[::2]:
                await user.close()
                await user.open()


async def seen_inside(load, asked, hidden) -> list[str]:
    """Return the users behind the cut whom the room still shows."""
    ids = {user.id: user.name for user in load.users}
    page = await asked.write("verify", "room.participants", room_id=load.room_id, limit=100)
    return [name for item in page["items"] if (name := ids[item["user"]["id"]]) in hidden]


async def all_works(load, since: float) -> list[str]:
    """Return the codes with which calls of the next second are refused."""
    await asyncio.sleep(1)
    return [each.code for each in load.ledger.outcomes if each.at >= since and each.code != "OK"]


async def now(complaints: list[str]) -> list[str]:
    return complaints
