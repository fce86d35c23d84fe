"""The breaker that a probe closes again, also after a probe that ended in an unusual way."""

import asyncio

import pytest

from storage import breaker
from storage.breaker import ProbedBreaker


async def test_it_heals_although_a_probe_was_cancelled_from_within(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(breaker, "PROBE_EVERY_S", 0.0)
    ends: list[BaseException | None] = [OSError("no answer"), OSError("no answer"), asyncio.CancelledError(), None]

    async def probe() -> None:
        end = ends.pop(0)
        if end is not None:
            raise end

    async def end_requests() -> None: ...

    state = ProbedBreaker("a server", probe, end_requests)
    state.suspect()
    assert state._probing is not None
    with pytest.raises(asyncio.CancelledError):
        await state._probing
    assert state.is_open
    assert not state.admits()
    await state._probing
    assert state.admits()
    assert ends == []
