"""Leases in Redis: one holder at a time, and only the holder renews or releases."""

import pytest

from storage.leases import Leases as StoredLeases
from storage.shards import Shards

LIFETIME_MS = 60_000


class Leases:
    def __init__(self, shards: Shards) -> None:
        self._leases = StoredLeases(shards, "tests")

    async def hold(self, holder: str, *leases: str, most: int = 9) -> list[str]:
        """Renew or take them, in this order; return those that the holder has now."""
        answers = await self._leases.hold(leases, holder, lifetime_ms=LIFETIME_MS, most=most)
        return [lease for lease, is_held in zip(leases, answers, strict=True) if is_held]

    async def release(self, holder: str, lease: str) -> None:
        await self._leases.release(lease, holder)

    async def holder(self, lease: str) -> str | None:
        found: bytes | None = await self._ask("GET", lease)
        return found and found.decode()

    async def shorten(self, lease: str) -> None:
        await self._ask("PEXPIRE", lease, LIFETIME_MS // 2)

    async def is_fresh(self, lease: str) -> bool:
        """Whether it lasts for a whole lifetime, not for half of one."""
        return LIFETIME_MS // 2 < await self._ask("PTTL", lease) <= LIFETIME_MS

    def _ask(self, command: str, lease: str, *arguments: int):
        return self._leases._shards.call(self._leases._shard, command, self._leases._key(lease), *arguments)


@pytest.fixture
def leases(any_shards) -> Leases:
    return Leases(any_shards)


async def test_free_leases_are_taken_and_expire(leases: Leases):
    assert await leases.hold("one", "a", "b") == ["a", "b"]
    for lease in ("a", "b"):
        assert await leases.holder(lease) == "one"
        assert await leases.is_fresh(lease)


async def test_the_holder_renews_its_leases(leases: Leases):
    await leases.hold("one", "a", "b")
    for lease in ("a", "b"):
        await leases.shorten(lease)
    assert await leases.hold("one", "b") == ["b"]
    assert [await leases.is_fresh(lease) for lease in ("a", "b")] == [False, True]


async def test_others_do_not_get_leases_that_are_held(leases: Leases):
    await leases.hold("one", "b")
    await leases.shorten("b")
    assert await leases.hold("another", "a", "b", "c") == ["a", "c"]
    assert [await leases.holder(lease) for lease in ("a", "b", "c")] == ["another", "one", "another"]
    assert not await leases.is_fresh("b")


@pytest.mark.parametrize(("most", "held"), [(0, []), (1, ["b"]), (2, ["b", "d"]), (3, ["b", "d", "a"])])
async def test_a_holder_gets_so_many_leases_in_the_order_in_which_they_are_wanted(leases: Leases, most, held):
    """Leases of others do not count."""
    await leases.hold("another", "c")
    assert await leases.hold("one", "c", "b", "d", "a", most=most) == held
    assert [lease for lease in ("b", "d", "a") if await leases.holder(lease)] == held


async def test_a_holder_that_may_have_fewer_leases_does_not_renew_the_last_ones(leases: Leases):
    await leases.hold("one", "a", "b")
    for lease in ("a", "b"):
        await leases.shorten(lease)
    assert await leases.hold("one", "a", "b", most=1) == ["a"]
    assert [await leases.is_fresh(lease) for lease in ("a", "b")] == [True, False]
    assert await leases.holder("b") == "one"


async def test_only_the_holder_releases_a_lease(leases: Leases):
    await leases.hold("one", "a", "b")
    await leases.release("another", "a")
    assert await leases.holder("a") == "one"
    for _ in range(2):
        await leases.release("one", "a")
    assert await leases.holder("a") is None
    assert await leases.holder("b") == "one"
    assert await leases.hold("another", "a") == ["a"]
