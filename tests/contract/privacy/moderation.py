"""Decisions about things of the accounts: each standing, and labels that viewers hide.

It decides before relations change, once everybody has seen, saved, shared and answered these things.
"""

from tests.contract.privacy.world import Thing, World
from tests.moderating import moderating

# By the last part of a name: the action, and whom lists show the thing to.
DECIDED = {"removed": "remove", "held": "hold", "shadowed": "shadow", "limited": "limit", "labelled": "label"}
_ALONE = ("removed", "held", "shadowed")
# Undone again: these things are what they were.
UNDONE = {"restored": "remove", "approved": "hold"}


async def make(world: World) -> None:
    """Decide about all posts, comments and messages with such a name."""
    async with moderating(world.cluster) as moderator:
        for thing in list(world.things.values()):
            word = thing.name.rpartition(".")[2]
            if thing.is_deleted or thing.kind not in ("post", "comment") or word not in {*DECIDED, *UNDONE}:
                continue
            labels = ["sexual"] if word == "labelled" else []
            action = DECIDED.get(word) or UNDONE[word]
            decision = await moderator.decide(thing.kind, thing.id, action, labels=labels)
            if word == "approved":
                await moderator.decide(thing.kind, thing.id, "approve")
            elif word == "restored":
                await moderator.undo(decision)
            elif word in _ALONE:
                _withhold(world, thing)
            else:
                thing.found_by = "followers" if word == "limited" else "nobody"
    await world.cluster.settle()


def _withhold(world: World, thing: Thing) -> None:
    """Its author alone sees it, and what belongs to it."""
    alone = (thing.owner, "private")
    for part in world.things.values():
        if part is thing or part.part_of is thing or (part.part_of and part.part_of.part_of is thing):
            part.conditions = (*part.conditions, alone)


def is_withheld(thing: Thing) -> bool:
    """Whether the thing itself is removed, held or shadowed, not what it belongs to."""
    return thing.name.rpartition(".")[2] in _ALONE


def names(account: str) -> list[str]:
    """Names of public posts that are decided about."""
    return [f"{account}.public.{word}" for word in (*DECIDED, *UNDONE)]


def lists_show(world: World, viewer: str, thing: Thing) -> bool:
    """Whether search, hashtags and explore show the thing, if the viewer sees it."""
    return thing.found_by == "all" or thing.owner == viewer
