"""Reports: users report what they see. The answer names only what was asked about."""

from tests.contract.privacy.rows import CallRow, Cell, opens
from tests.contract.privacy.world import ACCOUNTS, World


def _reports(world: World, viewer: str) -> list[Cell]:
    things = [thing for kind in ("post", "comment", "room") for thing in world.of_kind(kind, ACCOUNTS)]
    found = []
    for thing in things:
        arguments = {"target_type": thing.kind, "target_id": thing.id, "reason": "spam"}
        own = "FAILED_PRECONDITION" if thing.owner == viewer else None
        found.append(opens(world, viewer, thing, arguments, then=own)._replace(shows=()))
    return found


CALLS = {"report.create": CallRow(_reports)}
