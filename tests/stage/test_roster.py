"""The roster of a live room, by its scripts alone: who is inside and on the stage, who may enter, and what is kept."""

from typing import Any

import pytest

from channels.redis_keys import RedisKeys
from stage import roster as module
from stage.roster import KEPT_S, PULSE, Absence, Entered, Gone, Roster
from storage.shards import Shards
from tests.channels.clocks import AHEAD, SHARD, set_clock

ROOM = 1
HOST, ALICE, BOB, CAROL = 10, 11, 12, 13
MICRO = 1_000_000


class Room(Roster):
    """A room with a large capacity; its clock counts up by 1 from AHEAD."""

    def __init__(self, shards: Shards) -> None:
        super().__init__(shards)
        self.clock_key = RedisKeys(shards).clock(SHARD)

    async def redis(self, *parts):
        return await self._shards.call(SHARD, *parts)

    def key(self, *parts) -> str:
        return self._key(ROOM, *parts)

    async def come(
        self, user: int, node: str = "a", role: Any = "listener", *, version: int = 1, capacity: int = 100,
        joined: int | None = None,
    ) -> str:  # fmt: skip
        """Return how it ended."""
        return (await self.enter(ROOM, user, node, role, version, capacity, joined)).refused or "inside"

    async def come_together(self, *entrants: Any, node: str = "a") -> list[Entered]:
        """Let them in by one script: user, role, version, capacity, joined of each."""
        entered = await self._enter((ROOM, node), [module._Entrant(*each) for each in entrants])
        return list(entered.values())

    async def go(self, user: int, node: str = "a", missing_s: float = 0) -> Gone:
        return await self.leave(ROOM, user, node, missing_s)

    async def give(self, user: int, role: Any, version: int) -> None:
        await self.set_role(ROOM, user, role, version)

    async def stage(self) -> dict[int, str]:
        return dict((await self.look(ROOM)).stage)

    async def hands(self) -> list[int]:
        return list((await self.look(ROOM)).hands)

    async def inside(self) -> dict[int, str]:
        """Return the nodes of each user."""
        found = await self.redis("HGETALL", self.key("inside"))
        return {int(user): nodes.decode() for user, nodes in found.items()}

    async def away(self) -> tuple[int | None, int | None]:
        """Return for how many µs the host and the whole stage have been away."""
        absence = await self.absence(ROOM, HOST)
        host, stage = (None if each is None else round(each * MICRO) for each in absence)
        return host, stage

    async def noted(self) -> set[str]:
        return {name.decode() for name in await self.redis("HKEYS", self.key("state"))}

    async def is_due_at(self) -> int | None:
        """Return when a keeper looks at the room, in µs."""
        score = await self.redis("ZSCORE", self._shards.key(SHARD, "rooms-due"), ROOM)
        return None if score is None else round(float(score) * MICRO)

    async def pulse_now(self, *reactions: object, **named: Any) -> Any:
        """Return what to push (see pulse.lua), as if the last push was long ago."""
        await self.redis("DEL", self.key("pulse"))
        return await self.pulse_soon(*reactions, **named)

    async def pulse_soon(
        self, *reactions: object, again: bool = False, most_kinds: int = 9, most_reacted: int = 9,
        apart_ms: int = 60_000,
    ) -> Any:  # fmt: skip
        own = ("pulse", "reactions", "reacted", "messages")
        keys = (*self._keys(ROOM), *map(self.key, own))
        arguments = (apart_ms, most_kinds, most_reacted, "again" if again else "", *reactions)
        return await self._shards.run(SHARD, PULSE, keys, arguments)

    async def restages(self) -> bool:
        """Whether the stage has changed since it was last pushed."""
        return bool((await self.pulse_now())[3])

    async def expires(self, *names: str) -> bool:
        """Whether all these keys are there and kept for seven days."""
        found = [await self.redis("TTL", self.key(name)) for name in names]
        return all(KEPT_S - 3_600 < ttl <= KEPT_S for ttl in found)


@pytest.fixture
async def room(shards: Shards) -> Room:
    await set_clock(shards, AHEAD)
    return Room(shards)


# ---------------------------------------------------------------------------------------------- entering


async def test_a_listener_enters(room: Room):
    entered = await room.enter(ROOM, ALICE, "a", "listener", 1, 100)
    assert (entered.refused, entered.is_new, entered.joined) == (None, True, AHEAD + 1)
    assert entered.look._replace(offset="") == ("", 1, {}, {}, {ALICE: AHEAD + 1}, None)
    assert int(entered.look.offset[-16:]) == AHEAD + 1
    assert await room.joined(ROOM, [ALICE]) == {ALICE: AHEAD + 1}
    assert await room.rooms_of_node("a") == {ROOM: [ALICE]}


async def test_a_listener_changes_nothing_but_the_number_inside(room: Room):
    await room.come(ALICE)
    assert await room.noted() == set()
    assert not await room.restages()
    assert await room.is_due_at() is None
    assert await room.stage() == {}


async def test_a_user_on_two_nodes_is_inside_once(room: Room):
    await room.come(ALICE, "aa")
    entered = await room.enter(ROOM, ALICE, "a", "listener", 1, 100)
    assert (entered.refused, entered.is_new, entered.look.inside) == (None, False, 1)
    assert await room.come(ALICE, "a") == "inside"
    assert await room.inside() == {ALICE: "aa,a"}
    assert await room.joined(ROOM, [ALICE]) == {ALICE: AHEAD + 1}


async def test_a_user_with_a_role_enters_onto_the_stage(room: Room):
    assert await room.come(ALICE, role="speaker") == "inside"
    assert await room.stage() == {ALICE: "speaker"}
    assert await room.restages()
    assert await room.is_due_at() == AHEAD + 1


async def test_a_second_node_of_a_speaker_changes_no_stage(room: Room):
    await room.come(ALICE, role="speaker")
    await room.restages()
    due = await room.is_due_at()
    await room.come(ALICE, "b", role="speaker")
    assert not await room.restages()
    assert await room.is_due_at() == due


async def test_what_is_kept_of_a_room_expires(room: Room):
    await room.come(HOST, role="host")
    await room.come(ALICE)
    await room.raise_hand(ROOM, ALICE, raised=True)
    names = ("inside", "joined", "stage", "hands", "state")
    for change in (
        room.pulse_now,
        lambda: room.give(HOST, "host", version=2),
        lambda: room.remove(ROOM, BOB, "banned", 2),
        lambda: room.raise_hand(ROOM, ALICE, raised=True),
    ):
        for name in names:
            await room.redis("PERSIST", room.key(name))
        await change()
        assert await room.expires(*names)
    assert await room.redis("TTL", room.clock_key) == -1


async def test_a_full_room_takes_no_more_listeners(room: Room):
    assert await room.come(ALICE, capacity=2) == "inside"
    assert await room.come(BOB, capacity=2) == "inside"
    assert await room.come(CAROL, capacity=2) == "full"
    assert await room.come(ALICE, "b", capacity=2) == "inside"
    assert set(await room.inside()) == {ALICE, BOB}


async def test_a_full_room_takes_users_of_the_stage(room: Room):
    await room.come(ALICE, capacity=1)
    assert await room.come(HOST, role="host", capacity=1) == "inside"


@pytest.mark.parametrize(
    ("until", "outcome"),
    [
        ("", "banned"),
        (repr((AHEAD + 2) / MICRO), "banned"),
        (repr((AHEAD + 1) / MICRO), "inside"),
        (repr(AHEAD / MICRO), "inside"),
    ],
    ids=["for good", "longer", "until now", "until before"],
)
async def test_a_banned_user_may_not_enter_until_the_ban_ends(room: Room, until: str, outcome: str):
    await room.redis("HSET", room.key("state"), f"barred:{ALICE}", until)
    assert await room.come(ALICE) == outcome
    assert await room.come(BOB) == "inside"


async def test_a_client_that_recovers_may_not_enter_if_its_user_was_kicked_since(room: Room):
    await room.come(ALICE)
    removed = await room.remove(ROOM, ALICE, "kicked", 2)
    assert await room.come(ALICE, joined=removed.before - 1) == "kicked"
    assert await room.come(ALICE, joined=removed.before) == "inside"
    assert await room.come(BOB, joined=removed.before - 1) == "inside"


async def test_a_kicked_user_may_join_anew(room: Room):
    await room.come(ALICE)
    await room.remove(ROOM, ALICE, "kicked", 2)
    assert await room.come(ALICE) == "inside"


async def test_nobody_enters_a_room_that_has_ended(room: Room):
    await room.come(ALICE)
    await room.finish(ROOM)
    assert await room.come(BOB) == "ended"
    assert await room.come(HOST, role="host") == "ended"
    assert not await room.redis("EXISTS", room.key("stage"))


async def test_a_user_who_enters_with_an_older_role_keeps_the_newer_one(room: Room):
    await room.give(ALICE, "speaker", version=5)
    await room.come(BOB, capacity=1)
    assert await room.come(ALICE, version=4, capacity=1) == "inside"
    assert await room.stage() == {ALICE: "speaker"}


async def test_a_user_who_enters_with_a_newer_role_loses_the_older_one(room: Room):
    await room.give(ALICE, "speaker", version=5)
    await room.come(ALICE, version=6)
    assert await room.stage() == {}
    await room.go(ALICE)
    await room.come(ALICE, role="speaker", version=5)
    assert await room.stage() == {}


# ---------------------------------------------------------------------------------------------- entering together


async def test_users_who_enter_together_get_one_snapshot_after_all_of_them(room: Room):
    await room.come(BOB)
    await room.raise_hand(ROOM, BOB, raised=True)
    await room.show_host(ROOM, HOST)
    await room.give(CAROL, "speaker", version=2)
    entered = await room.come_together((HOST, "host", 1, 9, None), (ALICE, "listener", 1, 9, None))
    last = AHEAD + 5
    assert [(each.refused, each.is_new, each.joined) for each in entered] == [
        (None, True, last - 1),
        (None, True, last),
    ]
    [look, same] = [each.look for each in entered]
    assert look is same
    assert look._replace(offset="") == (
        "", 3, {HOST: "host"}, {BOB: AHEAD + 2}, {BOB: AHEAD + 1, HOST: last - 1, ALICE: last}, HOST,
    )  # fmt: skip
    assert int(look.offset[-16:]) == last
    assert await room.joined(ROOM, [HOST, ALICE]) == {HOST: last - 1, ALICE: last}
    assert await room.look(ROOM, amount=9) == look._replace(offset=f"{look.offset[:-16]}{last + 1}")


async def test_each_of_the_users_who_enter_together_is_let_in_or_refused(room: Room):
    await room.remove(ROOM, ALICE, "banned", 2)
    await room.remove(ROOM, BOB, "kicked", 2)
    entered = await room.come_together(
        (ALICE, "listener", 1, 3, None), (BOB, "listener", 1, 3, 1), (1, "listener", 1, 3, None),
        (2, "listener", 1, 3, None), (CAROL, "listener", 1, 2, None), (3, "listener", 1, 3, None),
        (4, "listener", 1, 3, None), (HOST, "host", 1, 3, None), (2, "listener", 2, 3, None),
    )  # fmt: skip
    assert [(each.refused, each.is_new) for each in entered] == [
        ("banned", True), ("kicked", True), (None, True), (None, True), ("full", True), (None, True), ("full", True),
        (None, True), (None, False),
    ]  # fmt: skip
    assert await room.inside() == {1: "a", 2: "a", 3: "a", HOST: "a"}
    assert set((await room.rooms_of_node("a"))[ROOM]) == {1, 2, 3, HOST}
    assert entered[0].look.inside == 4


async def test_nobody_of_users_who_enter_together_is_let_in(room: Room):
    entered = await room.come_together((ALICE, "listener", 1, 0, None), (BOB, "listener", 1, 0, None))
    assert [each.refused for each in entered] == ["full", "full"]
    assert entered[0].look.inside == 0
    assert await room.rooms_of_node("a") == {}


async def test_users_who_enter_together_with_roles_given_before(room: Room):
    """A newer role wins over the one that they bring."""
    await room.come(HOST, role="host")
    await room.give(BOB, "cohost", version=5)
    await room.give(CAROL, "speaker", version=5)
    entered = await room.come_together(
        (ALICE, "speaker", 1, 9, None), (BOB, "speaker", 4, 9, None), (CAROL, "listener", 6, 9, None)
    )
    assert entered[0].look.stage == {HOST: "host", ALICE: "speaker", BOB: "cohost"}


async def test_a_snapshot_for_users_who_enter_is_bounded(room: Room, monkeypatch):
    monkeypatch.setattr(module, "MOST_HANDS", 1)
    monkeypatch.setattr(module, "FIRST_LISTENERS", 2)
    for user in (BOB, CAROL):
        await room.come(user)
        await room.raise_hand(ROOM, user, raised=True)
    [entered] = await room.come_together((ALICE, "listener", 1, 9, None))
    assert (list(entered.look.hands), list(entered.look.page)) == ([BOB], [BOB, CAROL])


async def test_a_page_has_users_who_joined_after_a_clock(room: Room):
    for user in (ALICE, BOB, CAROL):
        await room.come(user)
    assert list((await room.look(ROOM, after=AHEAD + 1, amount=1)).page) == [BOB]
    assert list((await room.look(ROOM, after=AHEAD + 2, amount=9)).page) == [CAROL]


# ---------------------------------------------------------------------------------------------- leaving


async def test_a_user_is_inside_until_they_leave_the_last_node(room: Room):
    for node in ("a", "b", "c"):
        await room.come(ALICE, node, role="speaker")
    await room.come(BOB)
    assert await room.go(ALICE, "b") == Gone(False, 2, "listener")
    assert await room.inside() == {ALICE: "a,c", BOB: "a"}
    assert await room.go(ALICE, "c") == Gone(False, 2, "listener")
    assert await room.go(ALICE, "a") == Gone(True, 1, "speaker")
    assert await room.inside() == {BOB: "a"}
    assert await room.go(ALICE, "a") == Gone(False, 1, "listener")


async def test_a_node_has_the_room_until_its_last_user_leaves(room: Room):
    await room.come(ALICE)
    await room.come(BOB)
    await room.go(ALICE)
    assert await room.rooms_of_node("a") == {ROOM: [BOB]}
    await room.go(BOB)
    assert await room.rooms_of_node("a") == {}


async def test_a_user_who_leaves_loses_hand_and_place_in_the_order(room: Room):
    await room.come(ALICE)
    await room.raise_hand(ROOM, ALICE, raised=True)
    await room.go(ALICE)
    assert await room.hands() == []
    assert (await room.look(ROOM, amount=9)).page == {}
    await room.restages()
    assert await room.is_due_at() is None


async def test_a_speaker_who_leaves_keeps_the_role_and_changes_the_stage(room: Room):
    await room.come(ALICE, role="speaker")
    await room.restages()
    await room.go(ALICE, missing_s=3)
    assert await room.stage() == {}
    assert await room.restages()
    assert await room.is_due_at() == AHEAD + 3 - 3 * MICRO
    assert int(await room.redis("HGET", room.key("state"), f"gone:{ALICE}")) == AHEAD + 3 - 3 * MICRO
    await room.come(ALICE, version=0)
    assert await room.stage() == {ALICE: "speaker"}


async def test_a_listener_who_leaves_changes_no_stage(room: Room):
    await room.come(ALICE)
    await room.go(ALICE)
    assert not await room.restages()
    assert f"gone:{ALICE}" not in await room.noted()


# ---------------------------------------------------------------------------------------------- removing


async def test_a_kick_takes_the_user_out_and_takes_the_role(room: Room):
    await room.come(ALICE, role="speaker", version=3)
    await room.come(ALICE, "b", role="speaker", version=3)
    await room.come(BOB)
    removed = await room.remove(ROOM, ALICE, "kicked", 4)
    assert removed == ("out", 1, "speaker", AHEAD + 4)
    assert await room.inside() == {BOB: "a"}
    assert await room.was_kicked(ROOM, ALICE)
    await room.give(ALICE, "speaker", version=3)
    await room.come(ALICE, version=0)
    assert await room.stage() == {}


async def test_a_kick_of_a_listener_keeps_no_version(room: Room):
    await room.come(ALICE)
    assert await room.remove(ROOM, ALICE, "kicked", 2) == ("out", 0, "listener", AHEAD + 2)
    assert f"version:{ALICE}" not in await room.noted()


@pytest.mark.parametrize(
    ("before", "outcome"), [(None, "out"), (AHEAD + 2, "out"), (AHEAD + 1, "out"), (AHEAD, "back")]
)
async def test_a_user_who_entered_after_the_kick_was_decided_stays(room: Room, before: int | None, outcome: str):
    await room.come(ALICE, role="speaker")
    removed = await room.remove(ROOM, ALICE, "kicked", 2, before=before)
    stays = outcome == "back"
    assert (removed.outcome, removed.inside) == (outcome, int(stays))
    assert await room.was_kicked(ROOM, ALICE) == (not stays)
    assert await room.stage() == ({ALICE: "speaker"} if stays else {})


async def test_a_ban_takes_out_also_users_who_entered_after_it_was_decided(room: Room):
    await room.come(ALICE)
    assert (await room.remove(ROOM, ALICE, "banned", 2, before=AHEAD)).outcome == "out"
    assert await room.come(ALICE) == "banned"
    assert not await room.was_kicked(ROOM, ALICE)
    await room.pardon(ROOM, ALICE)
    assert await room.come(ALICE) == "inside"


async def test_a_kick_of_a_user_who_is_away_keeps_out_clients_that_recover(room: Room):
    assert await room.remove(ROOM, ALICE, "kicked", 2) == ("away", 0, "listener", AHEAD + 1)
    assert await room.was_kicked(ROOM, ALICE)
    assert await room.come(ALICE, joined=AHEAD) == "kicked"


async def test_a_late_kick_of_a_user_who_is_away_keeps_nobody_out(room: Room):
    removed = await room.remove(ROOM, ALICE, "kicked", 2, before=AHEAD)
    assert removed == ("away", 0, "listener", AHEAD + 1)
    assert not await room.was_kicked(ROOM, ALICE)


async def test_a_removal_of_a_user_who_is_away_takes_the_role(room: Room):
    await room.give(ALICE, "speaker", version=2)
    await room.remove(ROOM, ALICE, "banned", 3)
    await room.pardon(ROOM, ALICE)
    await room.come(ALICE, version=0)
    assert await room.stage() == {}


async def test_a_repeated_kick_says_until_when_users_are_out(room: Room):
    """The user entered again since the first: clients use the time of that one."""
    await room.come(ALICE)
    first = await room.remove(ROOM, ALICE, "kicked", 2)
    await room.come(ALICE)
    assert await room.remove(ROOM, ALICE, "kicked", 2, before=first.before) == ("back", 1, "listener", first.before)


async def test_a_ban_after_a_kick_takes_out_everybody_until_now(room: Room):
    await room.come(ALICE)
    first = await room.remove(ROOM, ALICE, "kicked", 2)
    await room.come(ALICE)
    banned = await room.remove(ROOM, ALICE, "banned", 3)
    last = int(await room.redis("HGET", room.clock_key, "last"))
    assert first.before < banned.before < last


# ---------------------------------------------------------------------------------------------- hands


async def test_hands_wait_in_the_order_in_which_they_were_raised(room: Room):
    for user in (BOB, ALICE):
        await room.come(user)
        assert await room.raise_hand(ROOM, user, raised=True)
    assert await room.hands() == [BOB, ALICE]
    assert await room.restages()
    assert await room.raise_hand(ROOM, BOB, raised=True)
    assert await room.hands() == [BOB, ALICE]
    assert not await room.restages()
    assert await room.raise_hand(ROOM, BOB, raised=False)
    assert await room.hands() == [ALICE]
    assert await room.restages()
    assert await room.raise_hand(ROOM, BOB, raised=False)
    assert not await room.restages()


async def test_only_users_inside_raise_a_hand(room: Room):
    assert not await room.raise_hand(ROOM, ALICE, raised=True)
    assert await room.hands() == []


async def test_users_on_the_stage_raise_no_hand(room: Room):
    await room.come(ALICE, role="speaker")
    assert await room.raise_hand(ROOM, ALICE, raised=True)
    assert await room.hands() == []


async def test_a_raised_hand_expires_with_the_room(room: Room):
    await room.come(ALICE)
    await room.redis("PERSIST", room.key("inside"))
    await room.raise_hand(ROOM, ALICE, raised=True)
    assert await room.expires("inside", "hands")


async def test_a_snapshot_has_so_many_hands(room: Room, monkeypatch):
    monkeypatch.setattr(module, "MOST_HANDS", 2)
    for user in (ALICE, BOB, CAROL):
        await room.come(user)
        await room.raise_hand(ROOM, user, raised=True)
    assert await room.hands() == [ALICE, BOB]


# ---------------------------------------------------------------------------------------------- roles


async def test_a_role_takes_the_hand_down(room: Room):
    await room.come(ALICE)
    await room.raise_hand(ROOM, ALICE, raised=True)
    await room.give(ALICE, "speaker", version=2)
    assert await room.hands() == []
    assert await room.stage() == {ALICE: "speaker"}


async def test_becoming_a_listener_leaves_the_hand_up(room: Room):
    await room.come(ALICE)
    await room.raise_hand(ROOM, ALICE, raised=True)
    await room.give(ALICE, "listener", version=2)
    assert await room.hands() == [ALICE]


@pytest.mark.parametrize(("version", "role"), [(4, "speaker"), (5, "cohost"), (6, "cohost")])
async def test_a_role_of_an_older_version_changes_nothing(room: Room, version: int, role: str):
    await room.come(ALICE, role="speaker", version=5)
    await room.give(ALICE, "cohost", version)
    assert await room.stage() == {ALICE: role}


async def test_a_role_that_is_taken_stays_taken(room: Room):
    await room.come(ALICE, role="speaker", version=5)
    await room.give(ALICE, "listener", version=6)
    assert await room.stage() == {}
    await room.give(ALICE, "speaker", version=5)
    assert await room.stage() == {}


async def test_the_stage_shows_only_users_inside(room: Room):
    await room.give(ALICE, "speaker", version=2)
    await room.come(BOB, role="cohost")
    await room.come(CAROL, role="speaker")
    assert await room.stage() == {BOB: "cohost", CAROL: "speaker"}
    await room.go(BOB)
    assert await room.stage() == {CAROL: "speaker"}


async def test_a_change_of_role_lets_a_keeper_look(room: Room):
    await room.give(ALICE, "speaker", version=2)
    assert await room.is_due_at() == AHEAD + 1
    assert await room.expires("stage", "state")


# ---------------------------------------------------------------------------------------------- absence


async def test_a_host_inside_is_not_absent(room: Room):
    await room.come(HOST, role="host")
    assert await room.absence(ROOM, HOST) == Absence(None, None)


async def test_a_host_inside_without_the_role_yet_is_not_absent(room: Room):
    await room.come(HOST)
    assert await room.absence(ROOM, HOST) == Absence(None, None)


async def test_absence_that_was_not_noted_counts_from_now(room: Room):
    assert await room.away() == (0, 0)
    assert await room.away() == (1, 1)
    assert await room.expires("state")


async def test_a_speaker_inside_keeps_the_stage_from_being_empty(room: Room):
    await room.come(HOST, role="host")
    await room.come(ALICE, role="speaker")
    await room.go(HOST, missing_s=5)
    assert await room.away() == (5 * MICRO + 2, None)


async def test_the_stage_is_empty_from_the_first_look(room: Room):
    await room.come(HOST, role="host")
    await room.go(HOST)
    assert (await room.away())[1] == 0
    assert (await room.away())[1] == 1


async def test_a_user_who_enters_onto_the_stage_ends_the_absence(room: Room):
    await room.away()
    await room.come(HOST, role="host")
    assert not await room.noted() & {f"gone:{HOST}", "empty"}


async def test_a_listener_who_enters_does_not_end_the_absence_of_the_stage(room: Room):
    await room.away()
    await room.come(ALICE)
    assert await room.noted() >= {f"gone:{HOST}", "empty"}


async def test_a_role_given_to_a_user_inside_ends_the_absence(room: Room):
    await room.away()
    await room.come(HOST)
    await room.give(HOST, "host", version=2)
    assert not await room.noted() & {f"gone:{HOST}", "empty"}


async def test_a_role_given_to_a_user_who_is_away_does_not_end_the_absence(room: Room):
    await room.away()
    await room.give(HOST, "host", version=2)
    assert await room.noted() >= {f"gone:{HOST}", "empty"}


async def test_a_role_taken_from_a_user_inside_does_not_end_the_absence_of_the_stage(room: Room):
    await room.away()
    await room.come(ALICE)
    await room.give(ALICE, "listener", version=2)
    assert "empty" in await room.noted()


# ---------------------------------------------------------------------------------------------- pulses


async def test_a_pulse_tells_the_number_inside_once(room: Room):
    await room.come(ALICE)
    assert [(await room.pulse_now())[2] for _ in range(3)] == [1, -1, -1]
    await room.go(ALICE)
    assert [(await room.pulse_now())[2] for _ in range(3)] == [0, -1, -1]


async def test_a_pulse_after_a_failed_one_tells_everything_again(room: Room):
    await room.come(ALICE, role="speaker")
    assert await room.pulse_now() == [1, 0, 1, 1, []]
    assert await room.pulse_now(again=True) == [1, 0, 1, 1, []]
    assert await room.pulse_now() == [1, 0, -1, 0, []]


async def test_pulses_are_apart_and_add_up_reactions(room: Room):
    assert (await room.pulse_soon("🔥", "", 2))[4] == ["🔥".encode(), b"2"]
    assert await room.pulse_soon("🔥", "", 3) == [0, 0]
    assert await room.pulse_soon("🔥", "", 4, "👏", "", 1) == [0, 0]
    assert (await room.pulse_now())[4] == ["🔥".encode(), b"7", "👏".encode(), b"1"]
    assert (await room.pulse_now())[4] == []


@pytest.mark.parametrize(
    ("inside", "apart_ms", "least_ms", "most_ms"),
    [
        (3, 60_000, 30_000, 60_000),
        (100_000, 60_000, 30_000, 60_000),
        (20_000, 10, 2_000, 4_000),
        (30_000, 10, 4_000, 5_000),
    ],
)
async def test_pulses_of_a_large_room_are_further_apart(
    room: Room, inside: int, apart_ms: int, least_ms: int, most_ms: int
):
    await room.redis("HSET", room.key("inside"), *(part for user in range(inside) for part in (user, "a")))
    await room.pulse_now(apart_ms=apart_ms)
    assert least_ms < await room.redis("PTTL", room.key("pulse")) <= most_ms


async def test_a_pulse_has_so_many_kinds_of_reactions(room: Room):
    _, dropped, *_, reactions = await room.pulse_now(
        "a", "", 1, "b", "", 2, "c", "", 3, "a", "", 4, "d", "", 5, most_kinds=2
    )
    assert dropped == 3 + 5
    assert reactions == [b"a", b"5", b"b", b"2"]


async def test_reactions_to_messages_are_kept_for_the_digest(room: Room):
    await room.note_messages(ROOM, [1, 2])
    await room.pulse_now("a", 1, 1, "a", 2, 2, "b", 1, 3, "a", 1, 4, "a", "", 5, "a", 3, 6)
    assert (await room.finish(ROOM)).reacted == {1: {"a": 5, "b": 3}, 2: {"a": 2}}


async def test_a_room_keeps_so_many_reactions_to_messages(room: Room):
    await room.note_messages(ROOM, [1, 2])
    await room.pulse_now("a", 1, 1, "a", 2, 2, "b", 1, 3, "a", 1, 4, most_reacted=2)
    assert (await room.finish(ROOM)).reacted == {1: {"a": 5}, 2: {"a": 2}}


async def test_reactions_expire(room: Room):
    await room.note_messages(ROOM, [1])
    await room.pulse_now()
    await room.pulse_soon("a", 1, 1)
    assert await room.expires("reactions", "reacted")


# ---------------------------------------------------------------------------------------------- keepers


async def test_a_keeper_that_has_looked_looks_again_when_it_said(room: Room):
    await room.watch_out(ROOM)
    [due] = (await room.due(1e12, 9)).values()
    await room.looked(ROOM, due, again=2e9)
    assert await room.is_due_at() == 2_000_000_000 * MICRO
    [due] = (await room.due(1e12, 9)).values()
    await room.looked(ROOM, due, again=None)
    assert await room.is_due_at() is None


async def test_a_due_time_that_was_set_meanwhile_stays(room: Room):
    await room.watch_out(ROOM)
    [due] = (await room.due(1e12, 9)).values()
    await room.give(ALICE, "speaker", version=2)
    for again in (None, 2e9):
        await room.looked(ROOM, due, again)
        assert await room.is_due_at() == AHEAD + 1


# ---------------------------------------------------------------------------------------------- the end


async def test_a_room_that_ends_keeps_what_its_digest_needs(room: Room):
    await room.come(ALICE)
    await room.come(BOB)
    await room.go(ALICE)
    await room.come(CAROL, role="speaker")
    await room.raise_hand(ROOM, BOB, raised=True)
    await room.remove(ROOM, ALICE, "banned", 2)
    await room.remove(ROOM, HOST, "kicked", 2)
    for name in ("inside", "state"):
        await room.redis("EXPIRE", room.key(name), 60)
    for _ in range(2):
        past = await room.finish(ROOM)
        assert past.peak == 2
        assert past.by_minute == {AHEAD // MICRO // 60 * 60: 2}
        assert [each async for each in room.were_inside(ROOM)] == [[BOB, CAROL]]
    assert await room.expires("was-inside", "state")
    assert await room.is_due_at() is None
    for name in ("inside", "joined", "stage", "hands"):
        assert not await room.redis("EXISTS", room.key(name)), name


async def test_the_digest_knows_the_most_users_of_each_minute(room: Room):
    minute = 60 * MICRO
    start = AHEAD // minute * minute + minute
    await set_clock(room._shards, start)
    for user in (ALICE, BOB, CAROL):
        await room.come(user)
    await room.go(CAROL)
    await room.go(BOB)
    await room.come(BOB)
    await set_clock(room._shards, start + minute)
    await room.go(ALICE)
    await set_clock(room._shards, start + 3 * minute)
    await room.come(ALICE)
    seconds = start // MICRO
    past = await room.finish(ROOM)
    assert past.peak == 3
    assert past.by_minute == {seconds: 3, seconds + 60: 2, seconds + 120: 1, seconds + 180: 2}


async def test_a_room_that_nobody_entered_ends(room: Room):
    assert (await room.finish(ROOM)).peak == 0
    assert await room.expires("state")
    assert await room.come(ALICE) == "ended"
