"""Decisions about things of the accounts: each standing, and labels that viewers hide.

It decides before relations change, once everybody has seen, saved, shared and answered these things.
"""

from typing import Any

from tests.contract.privacy.world import Thing, World
from tests.moderating import moderating

# By the last part of a name: the action, and whom lists show the thing to.
DECIDED = {"removed": "remove", "held": "hold", "shadowed": "shadow", "limited": "limit", "labelled": "label"}
_ALONE = ("removed", "held", "shadowed")
_TARGETS = {"post": "post", "comment": "comment", "chat message": "message", "file": "media", "room": "room"}
# Undone again: these things are what they were.
UNDONE = {"restored": "remove", "approved": "hold"}
WITHHELD_OR_NOT = (*_ALONE, *UNDONE)


async def make(world: World) -> None:
    """Decide about all things with such a name."""
    async with moderating(world.cluster) as moderator:
        for thing in list(world.things.values()):
            word = thing.name.rpartition(".")[2]
            if thing.is_deleted or thing.kind not in _TARGETS or word not in {*DECIDED, *UNDONE}:
                continue
            named = target(thing)
            thing.is_for_adults = word == "labelled"
            labels = ["sexual"] if thing.is_for_adults else []
            action = DECIDED.get(word) or UNDONE[word]
            decision = await moderator.decide(action=action, labels=labels, **named)
            if word == "approved":
                await moderator.decide(action="approve", **named)
            elif word == "restored":
                await moderator.undo(decision)
            elif word in _ALONE:
                _withhold(world, thing)
            else:
                thing.found_by = "followers" if word == "limited" else "nobody"
            if thing.kind == "room" and action in ("remove", "hold"):
                thing.kind = "ended room"
    await world.cluster.settle()


def target(thing: Thing) -> dict[str, Any]:
    """The thing as reports name it."""
    if thing.kind == "chat message":
        assert thing.part_of
        return {"target_type": "message", "target_id": thing.part_of.id, "seq": thing.number}
    return {"target_type": _TARGETS[thing.kind], "target_id": thing.id}


def _withhold(world: World, thing: Thing) -> None:
    """Its author alone sees it, and what belongs to it."""
    alone = (thing.owner, "private")
    for part in world.things.values():
        if part is thing or part.part_of is thing or (part.part_of and part.part_of.part_of is thing):
            part.conditions = (*part.conditions, alone)


def shown_files(world: World, thing: Thing) -> list[Thing]:
    """The files that pushes of the thing show."""
    return [file for file in world.files_in(thing) if file.name.rpartition(".")[2] not in _ALONE]


def names(account: str) -> list[str]:
    """Names of public posts that are decided about."""
    return [f"{account}.public.{word}" for word in (*DECIDED, *UNDONE)]


def lists_show(world: World, viewer: str, thing: Thing) -> bool:
    """Whether search, hashtags and explore show the thing, if the viewer sees it."""
    return thing.found_by == "all" or thing.owner == viewer
