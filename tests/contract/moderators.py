"""Moderators for tests, and the cases that they hear of."""

from typing import Any

from tests.cluster import Cluster
from tests.people import Person


async def appoint(cluster: Cluster, person: Person, role: str = "moderator") -> Person:
    """Give the user the role."""
    owner = await cluster.owner()
    await owner.execute("UPDATE users SET role = $2 WHERE id = $1", int(person.id), role)
    await owner.close()
    return person


async def opened(moderator: Person, target_id: str) -> Any:
    """Wait for the push of the case about the target, and return the case."""
    while True:
        case = (await moderator.expect("case.opened"))["case"]
        if case["target_id"] == target_id:
            return case


async def reported(cluster: Cluster, reporter: Person, target_type: str, target_id: str, **more: Any) -> str:
    """Report, and return the id of the open case about the target."""
    await reporter.call("report.create", target_type=target_type, target_id=target_id, **{"reason": "spam", **more})
    return await case_of(cluster, target_type, target_id)


async def case_of(cluster: Cluster, target_type: str, target_id: str) -> str:
    """Return the id of the open case about the target."""
    owner = await cluster.owner()
    case_id = await owner.fetchval(
        "SELECT id FROM cases WHERE target_type = $1 AND target_id = $2 AND status = 'open'",
        target_type, int(target_id),
    )  # fmt: skip
    await owner.close()
    return str(case_id)
