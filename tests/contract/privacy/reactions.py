"""Reactions: all users react to all posts and comments that they see. Reactions to what they no longer see stay."""

from typing import Any

from tests.contract.privacy.rows import CallRow, Cell, opens
from tests.contract.privacy.world import HOST, VIEWERS, Thing, World


async def react(world: World) -> None:
    people = (*VIEWERS, HOST)
    targets = {name: [target for target in _targets(world) if world.sees(name, target)] for name in people}
    await world.everybody_may(
        "reaction.set", {name: [_at(target, kind="like") for target in many] for name, many in targets.items()}
    )


def _targets(world: World) -> list[Thing]:
    """All posts; of comments, those whose post all see. What is newer has none of these reactions."""
    comments = [comment for comment in world.of_kind("comment") if comment.part_of is world.place("post")]
    return [target for target in world.of_kind("post") + comments if ".new" not in target.name]


def _at(target: Thing, **more: Any) -> dict[str, Any]:
    return {"target_type": target.kind, "target_id": target.id, **more}


def _sets(world: World, viewer: str) -> list[Cell]:
    cells = [opens(world, viewer, target, _at(target, kind="like")) for target in _targets(world)]
    return [cell._replace(shows=()) for cell in cells]


def _lists(world: World, viewer: str) -> list[Cell]:
    cells = []
    for target in _targets(world):
        people = [
            name for name in (*VIEWERS, HOST) if world.in_past(world.sees, name, target) or world.sees(name, target)
        ]
        shows = [world.user(name) for name in people if world.may(viewer, name, "profile", "act")]
        # The author still sees who had reacted before moderation withheld the target.
        also = map(world.user, (*VIEWERS, HOST)) if (target.owner, "private") in target.conditions else ()
        cells.append(opens(world, viewer, target, _at(target, limit=100))._replace(shows=shows, also=[*also]))
    return cells


CALLS = {
    "reaction.list": CallRow(_lists),
    "reaction.set": CallRow(_sets),
}
