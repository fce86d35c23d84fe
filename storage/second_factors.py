"""The second factor of the viewer's account: a sealed secret, and hashes of recovery codes."""

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias, TypedDict, cast

import asyncpg

from storage.database import Transaction

if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection


class SecondFactorRow(TypedDict):
    sealed: bytes
    last_step: int
    blocked_until: datetime.datetime | None
    confirmed_at: datetime.datetime | None


async def is_on(tx: Transaction) -> bool:
    return bool(await tx.fetchval("SELECT has_second_factor()"))


async def lock(tx: Transaction) -> SecondFactorRow | None:
    """The viewer's second factor, confirmed or not. Until the transaction ends, no other code is checked."""
    row = await tx.fetchrow("SELECT sealed, last_step, blocked_until, confirmed_at FROM lock_second_factor()")
    return cast("SecondFactorRow | None", row)


async def begin(tx: Transaction, sealed: bytes) -> bool:
    """Keep a secret that is not confirmed yet. Returns False if the viewer has a confirmed one."""
    return bool(await tx.fetchval("SELECT begin_second_factor($1)", sealed))


async def confirm(tx: Transaction, session_id: int, step: int, code_hashes: Sequence[bytes]) -> None:
    """Switch the second factor on, with these recovery codes alone. The session has passed it."""
    await tx.execute("SELECT confirm_second_factor($1, $2, $3)", session_id, step, code_hashes)


async def just_confirmed(tx: Transaction, session_id: int, confirmed_at: datetime.datetime) -> bool:
    """Whether that session of the viewer confirmed it then, within the last minute, and none has passed it since."""
    return bool(
        await tx.fetchval(
            """SELECT $2 > now() - interval '1 minute' AND count(*) = 1 AND bool_and(id = $1 AND second_factor_at = $2)
            FROM sessions WHERE user_id = viewer_id() AND second_factor_at >= $2""",
            session_id,
            confirmed_at,
        )
    )


async def passed(tx: Transaction, session_id: int, step: int | None, resealed: bytes | None) -> None:
    """Note that the viewer's session has passed the second factor; `step` (None: by a recovery code) is spent."""
    await tx.execute("SELECT pass_second_factor($1, $2, $3)", session_id, step, resealed)


async def failed(tx: Transaction) -> None:
    """Count a wrong code. After five in a row, codes are refused for a minute, then two, four … up to an hour."""
    await tx.execute("SELECT fail_second_factor()")


async def use_recovery_code(tx: Transaction, code_hash: bytes) -> bool:
    """Returns False if the viewer has no such code, or has used it."""
    return bool(await tx.fetchval("SELECT use_recovery_code($1)", code_hash))


async def replace_recovery_codes(tx: Transaction, code_hashes: Sequence[bytes]) -> None:
    await tx.execute("SELECT replace_recovery_codes($1)", code_hashes)


async def end(tx: Transaction) -> bool:
    """Returns False if there was none."""
    return bool(await tx.fetchval("SELECT end_second_factor()"))


async def sealed_page(connection: Connection, above: int, limit: int) -> list[tuple[int, bytes]]:
    """Users above an id with their sealed secrets, by id. For the owner of the tables."""
    rows = await connection.fetch(
        "SELECT user_id, sealed FROM second_factors WHERE user_id > $1 ORDER BY user_id LIMIT $2", above, limit
    )
    return [(row["user_id"], row["sealed"]) for row in rows]


async def reseal(connection: Connection, changes: Sequence[tuple[int, bytes, bytes]]) -> int:
    """Replace sealed secrets: (user, before, after). Returns how many; one that has changed since stays.

    For the owner of the tables.
    """
    changed: int = await connection.fetchval(
        """WITH changed AS (
            UPDATE second_factors f SET sealed = c.after
            FROM unnest($1::bigint[], $2::bytea[], $3::bytea[]) AS c (user_id, before, after)
            WHERE f.user_id = c.user_id AND f.sealed = c.before RETURNING 1)
        SELECT count(*) FROM changed""",
        *(list(column) for column in zip(*changes, strict=True)) if changes else ([], [], []),
    )
    return changed
