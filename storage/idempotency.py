"""Idempotency keys: the first answer of a creating call is kept for a day, and found again by its key."""

import hashlib
from typing import NamedTuple

import msgspec

from protocol import errors
from storage.database import Transaction

KEEP = "24 hours"

encode = msgspec.msgpack.Encoder(order="deterministic").encode


class AnswerPlace(NamedTuple):
    """The place of an answer: keys are unique per user and method."""

    user_id: int
    method: str
    key: str


def hash_of(request: msgspec.Struct) -> bytes:
    return hashlib.sha256(encode(request)).digest()


async def first_answer(tx: Transaction, place: AnswerPlace, request_hash: bytes) -> bytes | None:
    """The stored answer; None the first time. A concurrent duplicate waits until the first call has ended.

    Raises ALREADY_EXISTS if the key was used with other arguments.
    """
    name = f"{place.method}\n{place.key}"
    await tx.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, $2))", name, place.user_id)
    row = await tx.fetchrow(
        f"""SELECT request_hash, answer FROM idempotency
        WHERE user_id = $1 AND method = $2 AND key = $3 AND created_at > now() - interval '{KEEP}'""",
        *place,
    )
    if row is None:
        return None
    if row["request_hash"] != request_hash:
        raise errors.already_exists("idempotency_key", "was used with other arguments")
    answer: bytes = row["answer"]
    return answer


async def keep_answer(tx: Transaction, place: AnswerPlace, request_hash: bytes, answer: bytes) -> None:
    await tx.execute(
        """INSERT INTO idempotency (user_id, method, key, request_hash, answer) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (user_id, method, key) DO UPDATE
        SET request_hash = excluded.request_hash, answer = excluded.answer, created_at = now()""",
        *place,
        request_hash,
        answer,
    )


async def forget_old(tx: Transaction, limit: int) -> int:
    """Returns how many rows were deleted."""
    status = await tx.execute(
        f"""DELETE FROM idempotency WHERE (user_id, method, key) IN (
            SELECT user_id, method, key FROM idempotency
            WHERE created_at < now() - interval '{KEEP}' LIMIT $1)""",
        limit,
    )
    return int(status.split()[-1])
