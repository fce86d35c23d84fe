"""Faults of each part of the topology, and what users see of one: a row of the table."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

from tests.topology import verifier
from tests.topology.ledger import Outcome, p95
from tests.topology.load import KINDS, Load
from tests.topology.topology import NODES, SHARDS, WORKERS, Topology

How = Literal["stopped", "paused", "cut off"]
HOWS: tuple[How, ...] = get_args(How)
BASELINE_S = 10.0
CALM_S = 3.0  # without a failure: healed
HEAL_WITHIN_S = 90.0

_ALL = frozenset(KINDS)
_REALTIME = frozenset(KINDS) - {"ping", "profile"}
MASTER, NODE = "one master of Redis", "one gateway node"


class Part(NamedTuple):
    """hosts: those that fail together. depend: the kinds of calls that need the part."""

    hosts: tuple[str, ...]
    depend: frozenset[str]


PARTS = {
    "PgBouncer": Part(("pgbouncer",), _ALL - {"ping"}),
    "PostgreSQL": Part(("postgres",), _ALL - {"ping"}),
    "PostgreSQL's replica": Part(("replica",), frozenset()),
    MASTER: Part((), _REALTIME),
    "all of Redis": Part(SHARDS, _REALTIME),
    "Kafka": Part(("kafka",), frozenset()),
    "the object store": Part(("s3",), frozenset({"media"})),
    NODE: Part((), _ALL),
    "one worker": Part(("worker-1",), frozenset()),
    "HAProxy": Part(("proxy",), _ALL),
}


class Fault(NamedTuple):
    part: str
    how: How

    async def hosts(self, topology: Topology) -> tuple[str, ...]:
        """The hosts that fail. Which one is a master of the cluster, or has clients, changes with each fault."""
        if self.part == MASTER:
            return (await topology.master(),)
        if self.part == NODE:
            return (await topology.busiest_node(),)
        return PARTS[self.part].hosts

    def begin(self, topology: Topology, hosts: tuple[str, ...]) -> None:
        for name in hosts:
            {"stopped": topology.kill, "paused": topology.pause, "cut off": topology.cut_off}[self.how](name)

    def end(self, topology: Topology, hosts: tuple[str, ...]) -> None:
        """Call it on the main thread, as it may start servers."""
        for name in hosts:
            {"stopped": topology.run, "paused": topology.resume, "cut off": topology.connect_again}[self.how](name)


@dataclass
class Row:
    """What users saw. Times are in seconds."""

    fault: Fault
    failures: Counter[str] = field(default_factory=Counter)  # of the kinds that depend on the part, by code
    failed_p95: float = 0.0
    failed_longest: float = 0.0
    rest_ratio: dict[str, float] = field(default_factory=dict)  # kind → p95 during the fault by that before it
    rest_failures: Counter[str] = field(default_factory=Counter)
    healed: float | None = None  # after the end of the fault; None: not within 90 s
    acknowledged: int = 0
    lost: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    repeated: int = 0  # with the same id: clients drop them
    twice: int = 0
    reloads: int = 0
    ghosts: list[str] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        """What must not happen, whatever fails."""
        found = [f"lost: {each}" for each in self.lost] + [f"missed: {each}" for each in self.missed]
        found += [f"a ghost: {each}" for each in self.ghosts]
        found += [f"{self.twice} things were told twice"] if self.twice else []
        return found + (["it did not heal"] if self.healed is None else [])


async def cause(fault: Fault, topology: Topology, load: Load, duration_s: float) -> Row:
    """Cause the fault under load, end it, wait until all is well, and compare what users saw with what is true."""
    loop = asyncio.get_running_loop()
    row, leaver = Row(fault), load.leaver
    load.resume()
    before = loop.time()
    await asyncio.sleep(BASELINE_S)
    load.check()
    repeated, twice = load.ledger.repeated(), load.ledger.twice()
    hosts = await fault.hosts(topology)
    began = loop.time()
    await asyncio.to_thread(fault.begin, topology, hosts)
    closing = asyncio.create_task(leaver.close())  # a user who goes offline meanwhile must not stay as a ghost
    await asyncio.sleep(duration_s)
    fault.end(topology, hosts)
    ended = loop.time()
    row.healed = await _healed(load, ended)
    await closing
    load.check()
    await load.pause()
    row.missed = await verifier.soon_true(lambda: _now(verifier.missed_pushes(load, began)))
    row.ghosts = await verifier.soon_true(lambda: verifier.ghosts(load))
    writes = [write for write in load.ledger.writes if write.at >= began]
    row.acknowledged = len(writes)
    row.lost = await verifier.lost_writes(topology, load.ledger.writes)
    row.repeated, row.twice = load.ledger.repeated() - repeated, load.ledger.twice() - twice
    row.reloads = sum(at >= began for at, _ in load.ledger.told)
    await leaver.open()
    for name in hosts:
        if name in (*NODES, *WORKERS):
            await topology.until_ready(name)  # clients may be content with the other node before
    _compare(row, load, before, began, ended)
    return row


def _compare(row: Row, load: Load, before: float, began: float, ended: float) -> None:
    depend = PARTS[row.fault.part].depend
    healed_at = ended + (row.healed or 0.0)
    failed = [each for each in load.ledger.between(began, healed_at) if each.code != "OK" and each.kind in KINDS]
    ours = [each for each in failed if each.kind in depend]
    row.failures = Counter(each.code for each in ours)
    row.failed_p95 = p95([each.seconds for each in ours])
    row.failed_longest = max((each.seconds for each in ours), default=0.0)
    row.rest_failures = Counter(f"{each.kind} {each.code}" for each in failed if each.kind not in depend)
    for kind in KINDS:
        if kind not in depend:
            usual, now = (_p95_of(load.ledger.between(*times, kind)) for times in ((before, began), (began, ended)))
            if usual and now:
                row.rest_ratio[kind] = now / usual


def _p95_of(outcomes: list[Outcome]) -> float:
    return p95([each.seconds for each in outcomes if each.code == "OK"])


async def _healed(load: Load, ended: float) -> float | None:
    """Wait until every kind of call works and nothing has failed for 3 s. Returns when, in seconds after the fault."""
    loop = asyncio.get_running_loop()
    while loop.time() < ended + HEAL_WITHIN_S:
        await asyncio.sleep(0.2)
        since = [each for each in load.ledger.outcomes[-4_000:] if each.at + each.seconds >= ended]
        last = max((each.at + each.seconds for each in since if each.code != "OK"), default=ended)
        works = {each.kind for each in since if each.code == "OK" and each.at >= last}
        connected = all(user.is_connected for user in load.users if user.present)
        if connected and works >= _ALL and loop.time() - last >= CALM_S:
            # What hung since before the fault's end is healed when it is answered.
            return max(last, *(_first_success(since, kind, last) for kind in KINDS)) - ended
    return None


def _first_success(outcomes: list[Outcome], kind: str, since: float) -> float:
    return min(
        each.at + each.seconds for each in outcomes if each.kind == kind and each.code == "OK" and each.at >= since
    )


async def _now(complaints: list[str]) -> list[str]:
    return complaints
