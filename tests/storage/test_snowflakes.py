"""Ids are unique and rising, and never minted without a lease."""

import asyncio

import pytest

from storage import snowflakes
from storage.redis import RedisError
from storage.snowflakes import MintingStopped, Snowflakes, minted_at
from tests.patience import WAIT_S


async def test_ids_rise_and_contain_their_time(any_shards):
    ids = Snowflakes(any_shards)
    await ids.lease()
    minted = [ids.mint() for _ in range(20_000)]
    assert minted == sorted(set(minted))
    assert all(number >> 12 & 0x3FF == ids.node for number in minted)
    assert minted_at(minted[0]).year >= 2024
    assert max(minted) < 2**63


async def test_no_two_processes_share_a_node_number(any_shards, monkeypatch):
    monkeypatch.setattr(snowflakes, "NODES", 4)
    holders = [Snowflakes(any_shards) for _ in range(4)]
    for holder in holders:
        await holder.lease()
    assert {holder.node for holder in holders} == set(range(4))
    late = Snowflakes(any_shards)
    with pytest.raises(MintingStopped):
        await late.lease()
    await holders[2].release()
    await late.lease()
    assert late.node == holders[2].node
    with pytest.raises(MintingStopped):
        holders[2].mint()


async def test_minting_stops_when_the_lease_may_have_expired(any_shards, monkeypatch):
    ids = Snowflakes(any_shards)
    with pytest.raises(MintingStopped):
        ids.mint()
    await ids.lease()
    now = snowflakes.time.monotonic()
    monkeypatch.setattr(snowflakes.time, "monotonic", lambda: now + snowflakes.LEASE_S + 1)
    with pytest.raises(MintingStopped):
        ids.mint()


async def test_a_failed_renewal_of_a_lease_is_soon_repeated(any_shards, monkeypatch):
    ids = Snowflakes(any_shards)
    await ids.lease()
    ids.renew_every_s = 0.01
    renew, tries = ids._hold, []

    async def renew_badly(node):
        tries.append(node)
        ids.renew_every_s = 3_600
        if len(tries) == 1:
            raise RedisError("away")
        return await renew(node)

    monkeypatch.setattr(ids, "_hold", renew_badly)
    ids._valid_until = snowflakes.time.monotonic() + snowflakes.LEASE_S
    keeping = asyncio.create_task(ids.keep_lease())
    async with asyncio.timeout(WAIT_S):
        while len(tries) < 2:
            await asyncio.sleep(0.01)
    keeping.cancel()
    ids.mint()


async def test_a_clock_that_goes_back_causes_no_duplicate_id(any_shards, monkeypatch):
    ids = Snowflakes(any_shards)
    await ids.lease()
    before = [ids.mint() for _ in range(10)]
    now = snowflakes.time.time_ns()
    monkeypatch.setattr(snowflakes.time, "time_ns", lambda: now - 60_000_000_000)
    assert ids.mint() > before[-1]
