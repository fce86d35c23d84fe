"""Accounts and sessions."""

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict, cast

import asyncpg

from protocol import errors
from protocol.users import Governorate
from storage.database import Row, Transaction

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection


class SessionRow(TypedDict):
    id: int
    user_id: int
    refresh_hash: bytes
    previous_hash: bytes | None
    rotated_at: datetime.datetime | None
    expires_at: datetime.datetime
    revoked_at: datetime.datetime | None


async def insert(
    tx: Transaction,
    *,
    user_id: int,
    username: str,
    email: str,
    password_hash: str | None,
    birth_date: datetime.date | None,
    locale: str | None,
    is_private: bool,
) -> None:
    """Insert the user and the account. The viewer must be the new user. Raises ALREADY_EXISTS with the field."""
    try:
        await tx.execute(
            "INSERT INTO users (id, username, username_key, display_name, is_private) VALUES ($1, $2, $3, $2, $4)",
            user_id,
            username,
            username.lower(),
            is_private,
        )
        await tx.execute(
            """INSERT INTO accounts (user_id, email, email_key, password_hash, birth_date, locale)
            VALUES ($1, $2, $3, $4, $5, coalesce($6, 'ar-EG'))""",
            user_id,
            email,
            email_key(email),
            password_hash,
            birth_date,
            locale,
        )
    except asyncpg.UniqueViolationError as error:
        field = "email" if "email" in (error.constraint_name or "") else "username"
        raise errors.already_exists(field, "is taken") from None


def email_key(email: str) -> str:
    return email.strip().lower()


async def email(tx: Transaction, user_id: int) -> str | None:
    """The viewer's address; None for a user without an account."""
    found: str | None = await tx.fetchval("SELECT email FROM accounts WHERE user_id = $1", user_id)
    return found


async def registered_just_now(tx: Transaction, email: str, username: str) -> bool:
    """Whether the account was opened within the last ten minutes, under that username."""
    return bool(await tx.fetchval("SELECT registered_just_now($1, $2)", email_key(email), username.lower()))


async def for_login(tx: Transaction, email: str) -> Row | None:
    """user_id and password_hash of the active account with that address."""
    return await tx.fetchrow("SELECT user_id, password_hash FROM account_for_login($1)", email_key(email))


async def correct_birth_date(tx: Transaction, birth_date: datetime.date) -> bool:
    """Correct the viewer's birth date. Returns False if it was corrected before, or for a user without an account."""
    return bool(await tx.fetchval("SELECT correct_birth_date($1)", birth_date))


async def is_minor(tx: Transaction, user_id: int) -> bool:
    """Whether the viewer is younger than 18; False if the birth date is not known."""
    # As `is_minor` in storage/functions/explore.sql says.
    younger = "SELECT birth_date > (now() - interval '18 years')::date FROM accounts WHERE user_id = $1"
    return bool(await tx.fetchval(younger, user_id))


async def set_governorate(tx: Transaction, user_id: int, governorate: Governorate | None) -> bool:
    """Returns False for a user without an account."""
    return bool(
        await tx.fetchval(
            "UPDATE accounts SET governorate = $2 WHERE user_id = $1 RETURNING true", user_id, governorate
        )
    )


async def governorate(tx: Transaction, user_id: int) -> Governorate | None:
    """Of the viewer."""
    found: Governorate | None = await tx.fetchval("SELECT governorate FROM accounts WHERE user_id = $1", user_id)
    return found


async def password_hash(tx: Transaction, user_id: int) -> str | None:
    found: str | None = await tx.fetchval("SELECT password_hash FROM accounts WHERE user_id = $1", user_id)
    return found


async def lock_password_hash(tx: Transaction, user_id: int) -> str | None:
    """The hash, which cannot change until the transaction ends."""
    found: str | None = await tx.fetchval("SELECT password_hash FROM accounts WHERE user_id = $1 FOR SHARE", user_id)
    return found


async def password_stands(tx: Transaction, user_id: int, verified_hash: str) -> bool:
    """Whether the password is still the verified one. If so, it cannot change until the transaction ends."""
    return await lock_password_hash(tx, user_id) == verified_hash


async def replace_password(tx: Transaction, user_id: int, verified_hash: str, new_hash: str) -> bool:
    """Returns False if the password is no longer the verified one."""
    return bool(
        await tx.fetchval(
            "UPDATE accounts SET password_hash = $3 WHERE user_id = $1 AND password_hash = $2 RETURNING true",
            user_id,
            verified_hash,
            new_hash,
        )
    )


async def set_password(tx: Transaction, user_id: int, new_hash: str) -> None:
    await tx.execute("UPDATE accounts SET password_hash = $2 WHERE user_id = $1", user_id, new_hash)


async def insert_session(
    tx: Transaction,
    *,
    session_id: int,
    user_id: int,
    family_hash: bytes,
    refresh_hash: bytes,
    device_name: str | None,
    fingerprint: str | None,
    ip: str | None,
    user_agent: str | None,
    expires_at: datetime.datetime,
    restricted: bool = False,
) -> bool:
    """Returns False if the user is not active. A concurrent suspension waits for this, then ends the session.

    restricted: for a suspended user instead; False for others.
    """
    standing = "IN ('suspended', 'banned')" if restricted else "= 'active' FOR SHARE"
    return bool(
        await tx.fetchval(
            f"""INSERT INTO sessions (id, user_id, family_hash, refresh_hash, device_name, fingerprint, ip, user_agent,
                expires_at)
            SELECT $1, id, $3, $4, $5, $6, $7, $8, $9 FROM users WHERE id = $2 AND status {standing}
            RETURNING true""",
            session_id,
            user_id,
            family_hash,
            refresh_hash,
            device_name,
            fingerprint,
            ip,
            user_agent,
            expires_at,
        )
    )


async def is_suspended(tx: Transaction, user_id: int) -> bool:
    """Whether the viewer is suspended or banned."""
    return bool(await tx.fetchval("SELECT status IN ('suspended', 'banned') FROM users WHERE id = $1", user_id))


async def is_restricted(tx: Transaction, session_id: int, user_id: int) -> bool:
    """Whether the session is alive, and its user suspended or banned. Without a viewer."""
    return bool(await tx.fetchval("SELECT restricted_session($1, $2)", session_id, user_id))


async def has_session_with(tx: Transaction, user_id: int, fingerprint: str) -> bool:
    """Whether an active session of the viewer was opened with that fingerprint."""
    return bool(
        await tx.fetchval(
            """SELECT EXISTS (SELECT FROM sessions WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > now()
                AND fingerprint = $2)""",
            user_id,
            fingerprint,
        )
    )


async def session_owner(tx: Transaction, session_id: int, family_hash: bytes) -> int | None:
    """The user of the session; None if the session does not exist or has another token family."""
    owner: int | None = await tx.fetchval("SELECT session_owner($1, $2)", session_id, family_hash)
    return owner


async def lock_session(tx: Transaction, session_id: int) -> SessionRow | None:
    columns = ", ".join(SessionRow.__annotations__)
    row = await tx.fetchrow(f"SELECT {columns} FROM sessions WHERE id = $1 FOR UPDATE", session_id)
    return cast("SessionRow | None", row)


async def rotate_refresh(
    tx: Transaction,
    session_id: int,
    *,
    used_hash: bytes,
    next_hash: bytes,
    expires_at: datetime.datetime,
) -> None:
    await tx.execute(
        """UPDATE sessions SET previous_hash = $2, refresh_hash = $3, expires_at = $4, rotated_at = now(),
            last_seen_at = now()
        WHERE id = $1""",
        session_id,
        used_hash,
        next_hash,
        expires_at,
    )


async def list_sessions(tx: Transaction, user_id: int, before: int, limit: int) -> Sequence[Row]:
    """Active sessions, newest first."""
    return await tx.fetch(
        """SELECT id, device_name, ip, created_at, last_seen_at FROM sessions
        WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > now() AND id < $2 ORDER BY id DESC LIMIT $3""",
        user_id,
        before,
        limit,
    )


async def revoke_session(tx: Transaction, session_id: int, reason: str) -> bool:
    """Returns False if the viewer has no such active session."""
    return bool(
        await tx.fetchval(
            """UPDATE sessions SET revoked_at = now(), revoked_reason = $2
            WHERE id = $1 AND revoked_at IS NULL RETURNING true""",
            session_id,
            reason,
        )
    )


async def session_stands(tx: Transaction, session_id: int) -> bool:
    """Whether the viewer has that session, and it is not revoked."""
    return bool(await tx.fetchval("SELECT revoked_at IS NULL FROM sessions WHERE id = $1", session_id))


async def has_session(tx: Transaction, session_id: int) -> bool:
    """Whether the viewer has or had that session. (Row policies do not allow locking one that has ended.)"""
    return bool(await tx.fetchval("SELECT true FROM sessions WHERE id = $1", session_id))


async def revoke_other_sessions(tx: Transaction, user_id: int, kept_id: int, reason: str) -> list[int]:
    rows = await tx.fetch(
        """UPDATE sessions SET revoked_at = now(), revoked_reason = $3
        WHERE user_id = $1 AND id <> $2 AND revoked_at IS NULL RETURNING id""",
        user_id,
        kept_id,
        reason,
    )
    return [row["id"] for row in rows]


async def ended_sessions(tx: Transaction, session_ids: Sequence[int]) -> Sequence[Row]:
    """session_id and reason of those sessions that were revoked."""
    return await tx.fetch("SELECT session_id, reason FROM ended_sessions($1)", session_ids)
