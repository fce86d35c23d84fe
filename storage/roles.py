"""Roles of users: read when they matter, so that a role that was taken away ends at once."""

import datetime
from typing import TYPE_CHECKING, TypeAlias

import asyncpg

from protocol import errors
from protocol.moderation import Role
from storage.database import Transaction, require_primary

if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

_HOLDS = {"moderator": "SELECT viewer_is_moderator()", "admin": "SELECT viewer_is_admin()"}


async def require(tx: Transaction, role: Role) -> None:
    """Raises PERMISSION_DENIED if the viewer does not have the role. An admin is a moderator too."""
    require_primary(tx)
    if not await tx.fetchval(_HOLDS[role]):
        raise errors.permission_denied(f"only for users with the role {role}")


async def require_proof(tx: Transaction, session_id: int, age: datetime.timedelta) -> None:
    """Raises FAILED_PRECONDITION unless the viewer's session has passed the second factor within that time."""
    statement = "SELECT second_factor_at > now() - $2::interval FROM sessions WHERE id = $1"
    if not await tx.fetchval(statement, session_id, age):
        raise errors.second_factor_needed()


async def may_hold(connection: Connection, user_id: int, role: str) -> bool:
    """Whether a confirmed second factor protects the user, if the role needs one. For the owner of the tables."""
    statement = "SELECT EXISTS (SELECT FROM second_factors WHERE user_id = $1 AND confirmed_at IS NOT NULL)"
    return role not in _HOLDS or bool(await connection.fetchval(statement, user_id))


async def grant(connection: Connection, user_id: int, role: str) -> bool:
    """Give a user the role; a trigger ends the sessions of users who lose rights. For the owner of the tables.

    Returns False if the user has the role already.
    """
    return bool(
        await connection.fetchval(
            "UPDATE users SET role = $2 WHERE id = $1 AND role <> $2 RETURNING true", user_id, role
        )
    )
