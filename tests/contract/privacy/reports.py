"""Reports: users report what they see, and learn nothing of anything else. Answers name only what was asked about."""

from tests.contract.privacy import moderation
from tests.contract.privacy.rows import CallRow, Cell, opens
from tests.contract.privacy.world import ACCOUNTS, World

_KINDS = ("post", "comment", "room", "chat message", "file")


def _reports(world: World, viewer: str) -> list[Cell]:
    found = []
    for thing in (thing for kind in _KINDS for thing in world.of_kind(kind, ACCOUNTS)):
        arguments = {**moderation.target(thing), "reason": "spam"}
        own = "FAILED_PRECONDITION" if thing.owner == viewer else None
        found.append(opens(world, viewer, thing, arguments, then=own)._replace(shows=()))
    return found


CALLS = {"report.create": CallRow(_reports)}
