"""Live rooms under random actions: programs of sequential actions, compared with a model.

`DAIRA_MODEL_EXAMPLES=500` tries more programs.
"""

import asyncio
import os
from collections.abc import Collection, Coroutine
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.people import Person
from tests.stage.model import OK, Model

PEOPLE = 8
EXAMPLES = int(os.environ.get("DAIRA_MODEL_EXAMPLES", "20"))
STEPS = 40

# 0: any user; else: a user for whom the action makes sense. Then the user's number.
Pick = tuple[int, int]
picks = st.tuples(st.integers(0, 5), st.integers(0, PEOPLE - 1))
capacities = st.integers(2, PEOPLE)
ACTS = [
    *["join", "raise_hand", "set_role"] * 3, "leave", "lower_hand", "send", "set_own_role", "transfer_host", "mute",
    "kick", "ban", "unban", "update",
]  # fmt: skip
roles = st.sampled_from(["speaker", "cohost", "listener"])


class Stage(RuleBasedStateMachine):
    """The clients perform the model's actions, and must get the answers and see the state that the model predicts.

    Hypothesis' machines are synchronous, so this runs in a thread of its own; the clients live on the tests' loop.
    """

    loop: asyncio.AbstractEventLoop
    people: list[Person]
    ids: list[int]
    looks = 0
    patience_s = 15.0

    @initialize(capacity=capacities)
    def open(self, capacity: int) -> None:
        host = self.people[0]
        room = self._wait(host.call("room.create", topic="ليلة الكشري", capacity=capacity))
        self.room_id = room["id"]
        self._wait(host.call("room.start", room_id=self.room_id))
        self.model = Model(host=0, capacity=capacity, version=2)
        for person in range(min(5, capacity)):
            self.join((0, person))

    @rule(act=st.sampled_from(ACTS), actor=picks, other=picks, role=roles, capacity=capacities, flag=st.booleans())
    def act(self, act: str, actor: Pick, other: Pick, role: str, capacity: int, flag: bool) -> None:
        """One rule for all actions: with a rule for each, most programs of Hypothesis would use only a few."""
        match act:
            case "set_role":
                self.set_role(actor, other, role)
            case "set_own_role":
                self.set_own_role(actor, role)
            case "mute":
                self.mute(actor, other, flag)
            case "update":
                self.update(actor, capacity, int(flag))
            case "transfer_host" | "kick" | "ban" | "unban":
                getattr(self, act)(actor, other)
            case _:
                getattr(self, act)(actor)

    def join(self, pick: Pick) -> None:
        person = self._pick(pick, {*range(PEOPLE)} - self.model.inside - self.model.banned)
        expected, role = self.model.join(person), self.model.role(person)
        answer = self._act("join", person, expected)
        if answer is not None:
            assert (answer["role"], answer["muted"]) == (role, person in self.model.muted)

    def leave(self, pick: Pick) -> None:
        person = self._pick(pick, self.model.inside)
        self._act("leave", person, self.model.leave(person))

    def raise_hand(self, pick: Pick) -> None:
        person = self._pick(pick, self._listeners())
        self._act("raise_hand", person, self.model.raise_hand(person, True), raised=True)

    def lower_hand(self, pick: Pick) -> None:
        person = self._pick(pick, self.model.hands)
        self._act("raise_hand", person, self.model.raise_hand(person, False), raised=False)

    def send(self, pick: Pick) -> None:
        person = self._pick(pick, self.model.inside)
        self._act("send", person, self.model.send(person), text="مساء الخير")

    def set_role(self, actor: Pick, other: Pick, role: str) -> None:
        doer, person = self._moderator(actor), self._pick(other, self.model.hands or self._below_host())
        if person not in self.model.banned:
            self._act_on("set_role", doer, person, self.model.set_role(doer, person, role), role=role)

    def set_own_role(self, pick: Pick, role: str) -> None:
        person = self._pick(pick, self.model.roles)
        self._act_on("set_role", person, person, self.model.set_role(person, person, role), role=role)

    def transfer_host(self, actor: Pick, other: Pick) -> None:
        doer, person = self._pick(actor, [self.model.host]), self._pick(other, self._below_host())
        self._act_on("transfer_host", doer, person, self.model.transfer_host(doer, person))

    def mute(self, actor: Pick, other: Pick, muted: bool) -> None:
        doer, person = self._moderator(actor), self._pick(other, self._below_host())
        self._act_on("mute", doer, person, self.model.mute(doer, person, muted), muted=muted)

    def kick(self, actor: Pick, other: Pick) -> None:
        doer, person = self._moderator(actor), self._pick(other, self._below_host())
        self._act_on("kick", doer, person, self.model.kick(doer, person))

    def ban(self, actor: Pick, other: Pick) -> None:
        doer, person = self._moderator(actor), self._pick(other, self._below_host())
        self._act_on("ban", doer, person, self.model.ban(doer, person))

    def unban(self, actor: Pick, other: Pick) -> None:
        doer, person = self._moderator(actor), self._pick(other, self.model.banned)
        self._act_on("unban", doer, person, self.model.unban(doer, person))

    def update(self, actor: Pick, capacity: int, behind: int) -> None:
        doer, version = self._moderator(actor), self.model.version - behind
        expected = self.model.update(doer, capacity, version)
        self._act("update", doer, expected, capacity=capacity, version=version)

    @invariant()
    def the_room_is_as_the_model_says(self) -> None:
        """It soon is: the roster learns of leaves and role changes after the answer."""
        model = self.model
        expected = {
            "host": self.ids[model.host],
            "speakers": [self.ids[person] for person in model.speakers(self.ids)],
            "hands": [self.ids[person] for person in model.hands],
            "inside": len(model.inside),
            "capacity": model.capacity,
            "version": model.version,
        }
        assert self._wait(self._until_shown(expected)) == expected

    def teardown(self) -> None:
        if hasattr(self, "model"):
            self._wait(self._close())

    # ------------------------------------------------------------------------------------------ private

    def _pick(self, pick: Pick, fitting: Collection[int]) -> int:
        kind, number = pick
        return sorted(fitting)[number % len(fitting)] if kind and fitting else number

    def _moderator(self, pick: Pick) -> int:
        cohosts = [person for person, role in self.model.roles.items() if role == "cohost"]
        return self._pick(pick, [self.model.host, *cohosts])

    def _below_host(self) -> set[int]:
        return self.model.inside - {self.model.host}

    def _listeners(self) -> list[int]:
        return [person for person in self.model.inside if self.model.role(person) == "listener"]

    def _act_on(self, act: str, actor: int, target: int, expected: str, **arguments: Any) -> None:
        self._act(act, actor, expected, user_id=str(self.ids[target]), **arguments)

    def _act(self, act: str, person: int, expected: str, **arguments: Any) -> Any:
        answer = self._wait(self.people[person].answer(f"room.{act}", {"room_id": self.room_id, **arguments}))
        assert (OK if answer["ok"] else answer["error"]["code"]) == expected, answer
        return answer["data"] if answer["ok"] else None

    async def _close(self) -> None:
        await self.people[self.model.host].call("room.close", room_id=self.room_id)
        # The worker removes them too, but a socket may be in ten rooms at most, and the next program starts at once.
        await asyncio.gather(*(person.call("room.leave", room_id=self.room_id) for person in self.people))

    async def _until_shown(self, expected: dict[str, Any]) -> dict[str, Any]:
        """Return the room's state as clients see it, once it is as expected or time runs out."""
        Stage.looks += 1
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + self.patience_s
        while True:
            room = await self.people[self.looks % PEOPLE].call("room.get", room_id=self.room_id)
            shown = {
                "host": int(room["host"]["id"]),
                "speakers": [int(each["id"]) for each in room["speakers"]],
                "hands": [int(each["id"]) for each in room["hands"]],
                "inside": room["audience_count"],
                "capacity": room["capacity"],
                "version": room["version"],
            }
            if shown == expected or loop.time() > give_up_at:
                if shown != expected:
                    Stage.patience_s = 0.5  # otherwise shrinking the counterexample would take minutes
                return shown
            await asyncio.sleep(0.005)

    def _wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)


@pytest.mark.timeout(600 if EXAMPLES <= 100 else 0)  # it takes seconds, but shrinking a counterexample takes longer
async def test_random_programs_behave_as_the_model(person):
    people = [await person(f"p{number}", node="ab"[number % 2]) for number in range(PEOPLE)]
    here = {"loop": asyncio.get_running_loop(), "people": people, "ids": [int(each.id) for each in people]}
    machine = type("StageHere", (Stage,), here)
    chosen = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    await asyncio.to_thread(run_state_machine_as_test, machine, settings=chosen)
