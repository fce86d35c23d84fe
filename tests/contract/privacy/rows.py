"""The form of rows: what a call answers to each viewer, and whom a push reaches."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NamedTuple

from tests.contract.privacy.world import Thing, Things, World


async def leave_as_it_is(world: World) -> None:
    """The `restore` of rows that change nothing."""


class Cell(NamedTuple):
    """A call, and what its answer shows. refused: the code of the error instead. also: what it may show besides."""

    arguments: dict[str, Any]
    shows: Iterable[Thing] = ()
    refused: str | None = None
    also: Iterable[Thing] = ()


Cells = Callable[[World, str], list[Cell]]  # the calls of one viewer


class CallRow(NamedTuple):
    """reads: what an answer shows, if not the things that it names. restore: undoes what the calls changed."""

    cells: Cells
    reads: Callable[[World, Any, dict[str, Any]], Things] = World.read
    restore: Callable[[World], Awaitable[None]] = leave_as_it_is


def opens(world: World, viewer: str, thing: Thing, arguments: dict[str, Any], *, then: str | None = None) -> Cell:
    """A call about a thing: NOT_FOUND if the viewer may not see it; else it shows it, or is refused with `then`."""
    if not world.sees(viewer, thing):
        return Cell(arguments, refused="NOT_FOUND")
    if then is not None:
        return Cell(arguments, refused=then)
    return Cell(arguments, world.shown(viewer, [thing]))


class Told(NamedTuple):
    """A push: the viewers who must receive it, and the things that it shows."""

    viewers: set[str]
    things: Things


def told(viewers: set[str], *things: Thing) -> Told:
    return Told(viewers, frozenset(things))


class PushRow(NamedTuple):
    """causes: acts, and returns all pushes of the event that it causes. restore: undoes what it changed.
    last: earlier pushes of the event may show less than the last one.
    """

    causes: Callable[[World], Awaitable[list[Told]]]
    restore: Callable[[World], Awaitable[None]] = leave_as_it_is
    last: bool = False
