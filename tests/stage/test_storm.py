"""A live room in which twenty users on two nodes act at once: its invariants hold at every moment.

`DAIRA_STORM_SEED=7 DAIRA_STORM_ACTS=500` runs another storm, with that many actions for each user.
"""

import asyncio
import os
import random
import time
from collections import Counter, defaultdict
from typing import Any

import pytest

from stage.room_channel import LIVE_ROOM
from tests.cluster import Cluster
from tests.patience import WAIT_S
from tests.people import Person

PEOPLE = 20
SEED = int(os.environ.get("DAIRA_STORM_SEED", "1"))
ACTS = int(os.environ.get("DAIRA_STORM_ACTS", "100"))
STAGE = 5  # the first users may be on the stage; the others are always listeners
CAPACITY = 10
LOOK_EVERY_S = 0.01
CLOCKS_APART_S = 0.05
KNOWN_REFUSALS = {"PERMISSION_DENIED", "FAILED_PRECONDITION", "ABORTED"}
WEIGHTS = {
    "join": 30, "leave": 8, "raise_hand": 14, "send": 8, "get": 8, "set_role": 10, "transfer_host": 4, "mute": 3,
    "kick": 4, "ban": 3, "unban": 6, "update": 2,
}  # fmt: skip


class Storm:
    """All users act at random; `look_on` checks the roster, one atomic snapshot after the other."""

    def __init__(self, cluster: Cluster, people: list[Person], room_id: str) -> None:
        self.cluster = cluster
        self.people = people
        self.room_id = room_id
        self.ids = [int(person.id) for person in people]
        self.answers: Counter[tuple[str, str]] = Counter()
        self.broken: list[Any] = []
        self.versions: defaultdict[int, int] = defaultdict(
            int
        )  # by number of the user: the newest version that they have seen
        self.hands_up: defaultdict[int, list[tuple[float, float]]] = defaultdict(
            list
        )  # by id: times of call and answer
        self.barred: set[int] = set()  # ids of users whose ban has been answered, and no unban called
        self.lettings_in: Counter[int] = Counter()  # unbans called so far, by id
        self.letting_in: Counter[int] = Counter()  # unbans under way, by id
        self.looks = 0
        self.is_over = False

    async def act(self, number: int, acts: random.Random) -> None:
        act = acts.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        arguments: dict[str, Any] = {}
        others = range(PEOPLE)
        match act:
            case "raise_hand":
                arguments["raised"] = acts.random() < 0.7
            case "send":
                arguments["text"] = "مساء الخير"
            case "set_role":
                arguments["role"] = acts.choice(["cohost", "cohost", "speaker", "listener"])
                others = range(STAGE)
            case "transfer_host":
                others = range(STAGE)
            case "mute":
                arguments["muted"] = acts.random() < 0.3
            case "update":
                arguments |= {"topic": f"topic {acts.randrange(9)}", "version": self.versions[number] or 1}
        if act in ("set_role", "transfer_host", "mute", "kick", "ban", "unban"):
            # Mostly by users who may be moderators: otherwise nearly all would be refused.
            number = acts.randrange(STAGE) if acts.random() < 0.8 else number
            arguments["user_id"] = str(self.ids[acts.choice(others)])
        await getattr(self, f"_{act}", self._other)(act, number, arguments)

    async def _other(self, act: str, number: int, arguments: dict[str, Any]) -> Any:
        answer = await self.people[number].answer(f"room.{act}", {"room_id": self.room_id, **arguments})
        code = "OK" if answer["ok"] else answer["error"]["code"]
        self.answers[act, code] += 1
        if code != "OK" and code not in KNOWN_REFUSALS:
            self.broken.append((f"{act} {code}", arguments, answer))
        return answer

    async def _join(self, act: str, number: int, arguments: dict[str, Any]) -> None:
        user_id = self.ids[number]
        was_barred, lettings_in = user_id in self.barred, self.lettings_in[user_id]
        answer = await self._other(act, number, arguments)
        if answer["ok"] and was_barred and lettings_in == self.lettings_in[user_id]:
            self.broken.append(("a banned user joined", user_id))

    async def _get(self, act: str, number: int, arguments: dict[str, Any]) -> None:
        seen = self.versions[number]
        answer = await self._other(act, number, arguments)
        if not answer["ok"]:
            return
        room = answer["data"]
        if room["version"] < seen:
            self.broken.append(("a version went back", number, seen, room["version"]))
        self.versions[number] = max(self.versions[number], room["version"])
        self.check_shown(room)

    async def _raise_hand(self, act: str, number: int, arguments: dict[str, Any]) -> None:
        began = time.time()
        answer = await self._other(act, number, arguments)
        if answer["ok"] and arguments["raised"]:
            self.hands_up[self.ids[number]].append((began, time.time()))

    async def _ban(self, act: str, number: int, arguments: dict[str, Any]) -> None:
        user_id = int(arguments["user_id"])
        # An unban that was under way may end before the answer comes, and lift this ban.
        may_be_lifted, lettings_in = self.letting_in[user_id] > 0, self.lettings_in[user_id]
        answer = await self._other(act, number, arguments)
        if answer["ok"] and not may_be_lifted and lettings_in == self.lettings_in[user_id]:
            self.barred.add(user_id)

    async def _unban(self, act: str, number: int, arguments: dict[str, Any]) -> None:
        user_id = int(arguments["user_id"])
        self.barred.discard(user_id)
        self.lettings_in[user_id] += 1
        self.letting_in[user_id] += 1
        await self._other(act, number, arguments)
        self.letting_in[user_id] -= 1

    # ------------------------------------------------------------------------------------------ invariants

    def check_shown(self, room: dict[str, Any]) -> None:
        """Check a room as clients see it, in an answer or a push."""
        speakers = [int(each["id"]) for each in room["speakers"]]
        if int(room["host"]["id"]) not in self.ids[:STAGE] or len({*speakers}) != len(speakers):
            self.broken.append(("a wrong host, or a user twice on the stage", room))
        if not {*speakers} <= {*self.ids[:STAGE]}:
            self.broken.append(("a user without a role is on the stage", room))
        if room["audience_count"] > CAPACITY + STAGE:
            self.broken.append(("more users in the room than allowed", room))

    async def look_on(self) -> None:
        """Check snapshots of the roster until the storm is over."""
        roster, room_id = self.cluster.stores.roster, int(self.room_id)
        while not self.is_over:
            barred = {*self.barred}
            look = await roster.look(room_id, 0, 1_000)
            self.looks += 1
            inside = {*look.page}
            if look.inside != len(inside):
                self.broken.append(("the count differs from the users in the room", look))
            if len(inside - {*self.ids[:STAGE]}) > CAPACITY:  # a full room admits only the stage
                self.broken.append(("more listeners than allowed", look))
            if here := barred & self.barred & inside:
                self.broken.append(("a banned user is in the room", here, look))
            if not {*look.hands} <= inside:
                self.broken.append(("a hand of a user outside", look))
            if {*look.hands} & {*look.stage}:
                self.broken.append(("a hand of a user on the stage", look))
            if list(look.hands.values()) != sorted(look.hands.values()):
                self.broken.append(("hands out of order", look))
            for user_id, clock in look.hands.items():
                self._check_raised(user_id, clock / 1_000_000)
            await asyncio.sleep(LOOK_EVERY_S)

    def _check_raised(self, user_id: int, at: float) -> None:
        """Check that the user raised the hand at that time; skip users whose call is not answered yet."""
        raised = self.hands_up[user_id]
        newest = max((answered for _, answered in raised), default=0)
        if at < newest and not any(b - CLOCKS_APART_S <= at <= a + CLOCKS_APART_S for b, a in raised):
            self.broken.append(("a hand with the time of no call", user_id, at, raised))


@pytest.mark.parametrize("seed", [SEED])
async def test_invariants_hold_while_twenty_users_act_at_once(cluster, person, seed):
    people = [await person(f"p{number}", node="ab"[number % 2]) for number in range(PEOPLE)]
    host = people[0]
    room = await host.call("room.create", topic="زحمة", capacity=CAPACITY)
    room_id = room["id"]
    await host.call("room.start", room_id=room_id)
    await host.call("room.join", room_id=room_id)
    for each in people[1:STAGE]:
        await each.call("room.join", room_id=room_id)
        await host.call("room.set_role", room_id=room_id, user_id=each.id, role="cohost")
    storm = Storm(cluster, people, room_id)
    looking_on = asyncio.create_task(storm.look_on())

    async def act_on(number: int) -> None:
        acts = random.Random(f"{seed}-{number}")
        for _ in range(ACTS):
            await storm.act(number, acts)

    began = time.monotonic()
    await asyncio.gather(*(act_on(number) for number in range(PEOPLE)))
    await cluster.settle(*people)
    took_s = time.monotonic() - began
    storm.is_over = True
    await looking_on
    check_what_was_pushed(storm)
    await check_that_all_agree(storm)
    print(f"seed {seed}: {sum(storm.answers.values())} acts in {took_s:.1f} s, {storm.looks} looks")
    print(sorted(storm.answers.items()))
    kinds = Counter(what for what, *_ in storm.broken)
    first = {what: next(broken for broken in storm.broken if broken[0] == what) for what in kinds}
    assert not storm.broken, f"{kinds}\n" + "\n".join(map(str, first.values()))


def check_what_was_pushed(storm: Storm) -> None:
    for person in storm.people:
        pushed = [push["room"] for push in person.heard("room.updated")]
        for room in pushed:
            storm.check_shown(room)
        versions = [room["version"] for room in pushed]
        if versions != sorted(versions):
            storm.broken.append(("pushed versions went back", person.name, versions))


async def disagreements(storm: Storm) -> list[Any]:
    cluster, room_id = storm.cluster, int(storm.room_id)
    look = await cluster.stores.roster.look(room_id, 0, 1_000)
    owner = await cluster.owner()
    roles = await owner.fetch("SELECT user_id, role FROM room_roles WHERE room_id = $1 AND role <> 'listener'", room_id)
    on_stage = {row["user_id"]: row["role"] for row in roles} | {await host_of(owner, room_id): "host"}
    turns = await owner.fetch("SELECT user_id FROM room_turns WHERE room_id = $1 AND ended_at IS NULL", room_id)
    bans = await banned(owner, room_id)
    await owner.close()
    inside = {*look.page}
    sockets = {
        member.user_id
        for name in "ab"
        for member in cluster.node(name).parts.members.all
        if LIVE_ROOM.channel(room_id) in member.channels
    }
    told = {"roles": look.stage, "turns": {row["user_id"] for row in turns}, "sockets": sockets, "banned": set()}
    true = {
        "roles": {user_id: role for user_id, role in on_stage.items() if user_id in inside},
        "turns": {*on_stage} & inside,
        "sockets": inside,
        "banned": inside & bans,
    }
    return [(f"{what} do not agree", told[what], true[what]) for what in told if told[what] != true[what]]


async def host_of(owner: Any, room_id: int) -> int:
    return await owner.fetchval("SELECT host_id FROM rooms WHERE id = $1", room_id)


async def banned(owner: Any, room_id: int) -> set[int]:
    rows = await owner.fetch("SELECT user_id FROM room_bans WHERE room_id = $1", room_id)
    return {row["user_id"] for row in rows}


async def check_that_all_agree(storm: Storm) -> None:
    """Check that database, roster and sockets soon agree: turns end, and hosts are succeeded, after a delay."""
    give_up_at = time.monotonic() + WAIT_S
    while (quarrel := await disagreements(storm)) and time.monotonic() < give_up_at:
        await asyncio.sleep(0.05)
    storm.broken += quarrel
    # Users whose ban was lifted can join.
    owner = await storm.cluster.owner()
    bans = await banned(owner, int(storm.room_id))
    answer: dict[str, Any] = {"ok": False}
    while not answer["ok"]:  # the host may have changed meanwhile
        host = storm.people[storm.ids.index(await host_of(owner, int(storm.room_id)))]
        version = (await host.call("room.get", room_id=storm.room_id))["version"]
        wider = {"room_id": storm.room_id, "version": version, "capacity": 1_000}
        answer = await host.answer("room.update", wider)
    await owner.close()
    for user_id, person in zip(storm.ids, storm.people, strict=True):
        answer = await person.answer("room.join", {"room_id": storm.room_id})
        if answer["ok"] != (user_id not in bans):
            storm.broken.append(("a ban and a join disagree", user_id in bans, answer))
