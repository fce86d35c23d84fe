"""Users who enter a live room at the same moment: each is let in, ordered and shown what they may see by themselves."""

import asyncio

from tests.contract.test_live_rooms import open_room


async def test_users_who_enter_together_fill_the_room_in_order(cluster):
    roster, room_id = cluster.stores.roster, cluster.node_a.parts.services.ids.mint()
    await roster.remove(room_id, 3, "banned", 1)
    entered = await asyncio.gather(*(roster.enter(room_id, user, "node", "listener", 1, 5) for user in range(1, 9)))
    assert [each.refused for each in entered] == [None, None, "banned", None, None, None, "full", "full"]
    looks = [each.look for each in entered[1:]]  # the first did not wait for others
    assert len({look.offset for look in looks}) == 1, "they did not enter together"
    assert list(looks[0].page) == [1, 2, 4, 5, 6]
    clocks = list(looks[0].page.values())
    assert clocks == sorted({each.joined for each in entered if each.refused is None})


async def test_two_devices_that_enter_together_take_one_seat(cluster):
    roster, room_id = cluster.stores.roster, cluster.node_a.parts.services.ids.mint()
    await roster.enter(room_id, 1, "a", "listener", 1, 2)
    first, *devices = await asyncio.gather(
        roster.enter(room_id, 2, "a", "listener", 1, 1),
        roster.enter(room_id, 3, "a", "listener", 1, 3),
        roster.enter(room_id, 3, "a", "listener", 2, 3),
    )
    assert first.refused == "full"
    assert [(each.refused, each.is_new) for each in devices] == [(None, True), (None, False)]
    assert (await roster.leave(room_id, 3, "a")).gone
    assert await roster.are_inside(room_id, [1, 2, 3]) == {1}


async def test_users_who_enter_together_see_different_people(cluster, person):
    host, mona, omar = await person("host"), await person("mona"), await person("omar")
    salma, blocked = await person("salma"), await person("blocked")
    room_id = await open_room(host)
    await salma.call("room.join", room_id=room_id)
    await salma.call("room.send", room_id=room_id, text="مساء الخير")
    await mona.call("graph.block", user_id=salma.id)
    await salma.call("graph.block", user_id=omar.id)
    await host.call("graph.block", user_id=blocked.id)
    people = frozenset({int(host.id), int(salma.id)})
    entries = cluster.node_a.parts.services.room_entries
    first, *scenes = await asyncio.gather(
        *(entries.scene(int(room_id), int(who.id), people) for who in (host, mona, omar, blocked, host))
    )
    seen = [scene and (set(scene.users), [message["sender_id"] for message in scene.messages]) for scene in scenes]
    everything = (set(people), [int(salma.id)])
    without_her = ({int(host.id)}, [])
    assert seen == [without_her, without_her, None, everything]
    assert (set(first.users), len(first.messages)) == (set(people), 1)
