"""Positions of worker groups in partitions of Kafka. All functions are for workers.

A process that takes a partition over raises its epoch. From then on, transactions of the process that had it before
fail, so that none of its work is half done and none is done twice.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from storage.database import Database, Transaction
from storage.event_log import PartitionTaken


class PartitionClaim(NamedTuple):
    """A partition that a process handles for a group."""

    group: str
    topic: str
    partition: int
    epoch: int


async def claim(
    database: Database, group: str, partitions: Sequence[tuple[str, int]]
) -> dict[tuple[str, int], tuple[PartitionClaim, int]]:
    """Take partitions (topic, number) over. Returns for each the claim, and the offset at which the group goes on."""
    rows = await database.fetch(
        """INSERT INTO log_offsets AS known (worker_group, topic, partition)
        SELECT $1, topic, partition FROM unnest($2::text[], $3::int[]) AS new (topic, partition) ORDER BY 2, 3
        ON CONFLICT (worker_group, topic, partition) DO UPDATE SET epoch = known.epoch + 1
        RETURNING topic, partition, epoch, next_offset""",
        group,
        [topic for topic, _ in partitions],
        [number for _, number in partitions],
    )
    return {
        (row["topic"], row["partition"]): (
            PartitionClaim(group, row["topic"], row["partition"], row["epoch"]),
            row["next_offset"],
        )
        for row in rows
    }


_ADVANCE = """UPDATE log_offsets SET next_offset = greatest(next_offset, $5)
    WHERE worker_group = $1 AND topic = $2 AND partition = $3 AND epoch = $4 RETURNING true"""


async def advance(tx: Transaction, claim: PartitionClaim, next_offset: int) -> None:
    """As part of the transaction. Raises PartitionTaken."""
    if not await tx.fetchval(_ADVANCE, *claim, next_offset):
        raise PartitionTaken(f"{claim.topic}:{claim.partition}")


async def store(database: Database, claim: PartitionClaim, next_offset: int) -> None:
    """The group goes on at `next_offset`, or further on if that is known already. Raises PartitionTaken."""
    if not await database.fetch(_ADVANCE, *claim, next_offset):
        raise PartitionTaken(f"{claim.topic}:{claim.partition}")


async def epochs(database: Database, group: str) -> dict[tuple[str, int], int]:
    """The epoch of each partition (topic, number) that the group has read."""
    rows = await database.fetch("SELECT topic, partition, epoch FROM log_offsets WHERE worker_group = $1", group)
    return {(row["topic"], row["partition"]): row["epoch"] for row in rows}


async def move(database: Database, group: str, topic: str, offsets: Mapping[int, int]) -> int:
    """Let the group go on at these offsets, by partition. Returns how many partitions it has read before."""
    rows = await database.fetch(
        """UPDATE log_offsets o SET next_offset = new.next_offset, epoch = o.epoch + 1
        FROM unnest($3::int[], $4::bigint[]) AS new (partition, next_offset)
        WHERE o.worker_group = $1 AND o.topic = $2 AND o.partition = new.partition RETURNING o.partition""",
        group,
        topic,
        list(offsets),
        list(offsets.values()),
    )
    return len(rows)


async def read_positions(tx: Transaction) -> list[tuple[str, int]]:
    """The partitions (topic, number) that some group has read."""
    rows = await tx.fetch("SELECT DISTINCT topic, partition FROM log_offsets")
    return [(row["topic"], row["partition"]) for row in rows]


async def limit(tx: Transaction, ends: Mapping[tuple[str, int], int]) -> None:
    """Move all groups that are behind the end of a partition (topic, number) to that end."""
    await tx.execute(
        """UPDATE log_offsets o SET next_offset = ends.next_offset, epoch = o.epoch + 1
        FROM unnest($1::text[], $2::int[], $3::bigint[]) AS ends (topic, partition, next_offset)
        WHERE o.topic = ends.topic AND o.partition = ends.partition AND o.next_offset > ends.next_offset""",
        [topic for topic, _ in ends],
        [partition for _, partition in ends],
        list(ends.values()),
    )
