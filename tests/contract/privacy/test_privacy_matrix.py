"""Each method and each push shows each viewer exactly what the rule in `relations` allows, whatever the relation."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
import pytest_asyncio

from protocol.push_table import PUSHES as ALL_PUSHES
from protocol.rpc import methods
from tests.cluster import Cluster
from tests.contract.privacy.building import build
from tests.contract.privacy.counts import differences, wrongly_pushed
from tests.contract.privacy.labelling import ADULT, MINOR, act_on_labelled, label
from tests.contract.privacy.matrix import BEFORE, CALLS, NO_ROW, PUSHES, SINCE
from tests.contract.privacy.media import wrongly_opened
from tests.contract.privacy.recommendations import wrongly_recommended
from tests.contract.privacy.relations import RELATIONS
from tests.contract.privacy.rows import CallRow, Cell
from tests.contract.privacy.suspending import LOOKING, Suspension, act_around, lift, suspend
from tests.contract.privacy.world import ACCOUNTS, VIEWERS, World
from tests.contract.test_coming_back import come_back
from tests.contract.test_recommended import ask_all_sources
from tests.faults import soon

FOR_MINORS = {"explore.people"}  # it shows minors fewer users, whatever these publish

pytestmark = [
    pytest.mark.no_cover,  # it repeats the calls of other tests, and tracing nearly doubles its time
    pytest.mark.timeout(300),  # the first test makes the world, whose thousand things take most of a minute
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(cluster: Cluster) -> AsyncIterator[World]:
    built = await build(cluster, BEFORE, SINCE)
    yield built
    await built.close()


def test_every_method_and_push_is_in_the_matrix():
    names = {method.name for method in methods} | ALL_PUSHES.keys()
    rows = {name.partition(" ")[0] for name in (*CALLS, *PUSHES)}
    assert rows | NO_ROW.keys() == names, "add a row to CALLS or PUSHES of its domain"


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_shows_what_the_viewer_may_see(world: World, name):
    cells = {viewer: CALLS[name].cells(world, viewer) for viewer in VIEWERS}
    assert any(cells.values())
    await _check_calls(world, name, cells)
    await CALLS[name].restore(world)


@pytest.mark.parametrize("name", PUSHES)
async def test_a_push_reaches_those_who_may_see_it(world: World, name):
    row, event = PUSHES[name], name.partition(" ")[0]
    await world.quiet()
    told = await row.causes(world)
    expected = {viewer: {each.things for each in told if viewer in each.viewers} for viewer in VIEWERS}
    assert any(expected.values())
    arriving = (world.receives(viewer, event, expected[viewer], last=row.last) for viewer in VIEWERS)
    await asyncio.gather(*arriving, return_exceptions=True)  # what is missing is found below
    # What is still on its way to the others now comes before a push that is published after it.
    await world.cluster.settle(*world.people.values())
    heard = {viewer: world.pushes(viewer, event) for viewer in VIEWERS}
    leaks = {viewer: _leaks(world, viewer, world.people[viewer].received) for viewer in VIEWERS}
    await row.restore(world)
    for viewer in VIEWERS:
        if row.last and heard[viewer]:
            last = heard[viewer][-1]
            heard[viewer] = [each for each in heard[viewer] if not each <= last] + [last]
    wrong = [viewer for viewer in VIEWERS if {*heard[viewer]} != expected[viewer]]
    assert not wrong, "\n".join(f"{viewer} heard {heard[viewer]} instead of {expected[viewer]}" for viewer in wrong)
    assert not any(leaks.values()), {viewer: each for viewer, each in leaks.items() if each}


async def test_a_film_opens_to_those_who_may_see_it(world: World):
    assert await wrongly_opened(world) == []


async def test_strangers_are_recommended_what_is_open_to_all(world: World, monkeypatch: pytest.MonkeyPatch):
    ask_all_sources(monkeypatch)
    assert await wrongly_recommended(world) == []


async def test_counts_agree_with_lists(world: World):
    """Workers count, so it may take a moment."""
    assert await soon(partial(differences, world), []) == []


async def test_pushed_counts_agree_with_calls(world: World):
    assert await wrongly_pushed(world) == []


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def suspended(world: World) -> Suspension:
    """The accounts are suspended from here on."""
    return await suspend(world)


async def test_a_replay_shows_nothing_of_accounts_that_were_suspended_meanwhile(world: World, suspended: Suspension):
    leaks = {}
    for viewer, reader in suspended.away.items():
        back = await come_back(world.cluster, reader)
        assert back.ready["recovered"]
        assert await back.told("comment.created")
        # Chats keep what was said, and clients must hear who has left a room.
        received = [each for each in back.received if each[0] not in ("chat.message", "room.left")]
        leaks[viewer] = _leaks(world, viewer, received)
    assert not any(leaks.values()), leaks


async def test_no_push_names_suspended_accounts(world: World, suspended: Suspension):
    await world.quiet()
    await act_around(world)
    await world.cluster.settle(*(world.people[viewer] for viewer in RELATIONS))
    leaks = {viewer: _leaks(world, viewer, world.people[viewer].received) for viewer in RELATIONS}
    assert not any(leaks.values()), leaks


async def test_counts_agree_with_lists_without_suspended_accounts(world: World, suspended: Suspension):
    assert await soon(partial(differences, world, LOOKING), []) == []


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_shows_nothing_of_suspended_accounts(world: World, suspended: Suspension, name):
    await _check_calls(world, name, {viewer: CALLS[name].cells(world, viewer) for viewer in LOOKING})


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lifted(world: World, suspended: Suspension) -> None:
    """The suspensions have ended."""
    await lift(world, suspended.decisions)


async def test_counts_agree_with_lists_again(world: World, lifted: None):
    assert await soon(partial(differences, world, (*LOOKING, *ACCOUNTS)), []) == []


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_shows_again_what_a_suspension_hid(world: World, lifted: None, name):
    await _check_calls(world, name, {viewer: CALLS[name].cells(world, viewer) for viewer in (*LOOKING, *ACCOUNTS)})
    await CALLS[name].restore(world)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def labelled(world: World, lifted: None) -> None:
    """All posts and rooms of the accounts have a label for adults."""
    await label(world)


async def test_no_push_names_to_a_minor_what_is_for_adults(world: World, labelled: None):
    await act_on_labelled(world)
    assert world.people[ADULT].heard("post.edited")
    assert not (leaks := _leaks(world, MINOR, world.people[MINOR].received)), leaks


@pytest.mark.parametrize("name", sorted(CALLS.keys() - FOR_MINORS))
async def test_a_call_shows_a_minor_nothing_that_is_for_adults(world: World, labelled: None, name):
    await _check_calls(world, name, {MINOR: CALLS[name].cells(world, MINOR)})
    await CALLS[name].restore(world)


async def _check_calls(world: World, name: str, cells: dict[str, list[Cell]]) -> None:
    row, method = CALLS[name], name.partition(" ")[0]
    answers = await world.everybody(
        method, {viewer: [cell.arguments for cell in many] for viewer, many in cells.items()}
    )
    wrong = [
        f"{viewer} {cell.arguments} {world.read(cell.arguments)}: {fault}"
        for viewer, many in cells.items()
        for cell, answer in zip(many, answers[viewer], strict=True)
        if (fault := _fault(world, row, cell, answer))
    ]
    assert not wrong, "\n".join([f"{len(wrong)} wrong cells:", *wrong[:20]])


def _fault(world: World, row: CallRow, cell: Cell, answer: Any) -> str | None:
    """What is wrong with the answer; None if nothing is."""
    if not answer["ok"]:
        code, named = answer["error"]["code"], world.read(answer["error"], cell.arguments)
        if code != cell.refused:
            return f"{answer['error']} instead of {cell.refused or 'an answer'}"
        return f"the refusal names {named}" if named else None
    if cell.refused:
        return f"answered {answer['data']} instead of {cell.refused}"
    shown = row.reads(world, answer["data"], cell.arguments)
    # The ids in the arguments do not count in the answer, nor in what it should show.
    needed = {*cell.shows}
    if leaked := shown - needed - {*cell.also}:
        return f"shows {leaked}"
    return f"hides {needed - shown}" if needed - shown else None


def _leaks(world: World, viewer: str, received: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Pushes that name a thing which the viewer may not see, whatever they are about. Deleted things do not count."""
    return [
        (event, named)
        for event, push in received
        if (named := [each for each in world.read(push) if not each.is_deleted and not world.sees(viewer, each)])
    ]
