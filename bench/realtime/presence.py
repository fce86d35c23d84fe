"""Presence scenarios: the cost of a change by number of watchers, and the pushes during a flood of changes."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from bench.realtime.contenders import Ours
from bench.realtime.frames import EVENT
from bench.realtime.load import LoadError
from bench.realtime.scenario import Figure, Scenario, Values, at, quantile
from bench.realtime.stage import Stage

CHANGES_PER_SECOND = 100.0
WATCHERS_OF_ALL = 10
WATCHED_IN_A_CALL = 100
FLOOD = 10_000.0  # changes a second
LATE_S = 2.0  # until the last change has been pushed


class Watcher:
    """Records when one socket received `presence.changed`, by user."""

    def __init__(self) -> None:
        self.told: defaultdict[str, list[float]] = defaultdict(list)

    def hear(self, packet: dict[str, Any]) -> None:
        if packet["type"] == EVENT and packet["data"][0] == "presence.changed":
            self.told[packet["data"][1]["presence"]["user_id"]].append(time.perf_counter())


async def presence(stage: Stage) -> Values:
    """A user on the second node changes their presence; all watchers are on the first node."""
    await stage.connect(1, node=1)
    user_id = str(stage.world.users[0])
    amount = int(CHANGES_PER_SECOND * stage.sizes.seconds)
    values: Values = {}
    for audience in stage.sizes.audiences:
        present = len(stage.crowd.sockets)
        await stage.connect(audience + 1 - present, present, node=0)
        await stage.crowd.call_each(
            (number, "presence.watch", {"user_ids": [user_id]}) for number in range(present, audience + 1)
        )
        watcher = Watcher()
        stage.crowd.sockets[1].listen(watcher.hear)
        await asyncio.sleep(LATE_S)
        await stage.settle()
        changes = [(0, "presence.set", {"status": "online", "text": f"{audience}: {each}"}) for each in range(amount)]
        watching, changing = stage.contender.nodes
        watching_cpu, changing_cpu, frames = watching.cpu, changing.cpu, stage.crowd.counts.frames
        took = (await stage.crowd.call_at_pace(changes, CHANGES_PER_SECOND)).all()
        await asyncio.sleep(LATE_S)
        told, moments = stage.crowd.counts.frames - frames - amount, watcher.told[user_id]
        if told != len(moments) * audience:
            raise LoadError(f"{audience} watchers got {told} pushes, one of them {len(moments)}")
        values |= {
            at("changing", audience): (changing.cpu - changing_cpu) / amount * 1e6,
            at("watching", audience): (watching.cpu - watching_cpu) / amount * 1e6,
            at("p50", audience): quantile(took, 0.50),
            at("told", audience): _per_second(moments),
        }
    return values


async def presence_flood(stage: Stage) -> Values:
    """Changes as nodes report them to Redis, of users who are all watched by a few sockets."""
    watched = stage.sizes.watched
    await stage.connect(watched + WATCHERS_OF_ALL)
    ids = [str(user_id) for user_id in stage.world.users[:watched]]
    pages = [ids[start : start + WATCHED_IN_A_CALL] for start in range(0, watched, WATCHED_IN_A_CALL)]
    numbers = range(watched, watched + WATCHERS_OF_ALL)
    await stage.crowd.call_each((number, "presence.watch", {"user_ids": page}) for number in numbers for page in pages)
    watchers = [Watcher() for _ in numbers]
    for number, watcher in zip(numbers, watchers, strict=True):
        stage.crowd.sockets[number].listen(watcher.hear)
    await stage.settle()
    cpu, began = stage.contender.cpu, time.perf_counter()
    stage.contender.publish(f"flood {FLOOD} {2 * stage.sizes.seconds} {' '.join(ids)}")
    changes = int(await stage.contender.answered())
    took, cpu = time.perf_counter() - began, stage.contender.cpu - cpu
    await asyncio.sleep(LATE_S)
    missing = sum(watched - len(watcher.told) for watcher in watchers)
    if missing:
        raise LoadError(f"{missing} of {watched * WATCHERS_OF_ALL} pairs of watcher and user got no push")
    rates = [_per_second(moments) for watcher in watchers for moments in watcher.told.values()]
    return {"changes": changes / took, "told": max(rates), "node": cpu / took * 100}


def _per_second(moments: Sequence[float]) -> float:
    return (len(moments) - 1) / (moments[-1] - moments[0]) if len(moments) > 1 else 0.0


SCENARIOS = (
    Scenario(
        "presence", "One user's presence changes 100 times a second",
        (
            Figure("changing", "presence.set, node of the user", "µs of CPU a change"),
            Figure("watching", "presence.set, node of the watchers", "µs of CPU a change"),
            Figure("p50", "presence.set, p50", "ms"),
            Figure("told", "presence.changed to each watcher", "pushes a second", asked="≤ 1"),
        ),
        (Ours,), presence, nodes=2, section="rooms", against="watchers",
    ),
    Scenario(
        "presence-flood", "A flood of changes",
        (
            Figure("changes", "presence changes of 200 users", "a second", more=True, asked="10,000"),
            Figure("told", "most pushes about one user to one of 10 watchers of all", "pushes a second", asked="≤ 1"),
            Figure("node", "node of the watchers meanwhile", "% of a core"),
        ),
        (Ours,), presence_flood, publishes=True, section="rooms",
    ),
)  # fmt: skip
