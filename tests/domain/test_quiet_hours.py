"""Quiet hours, in ordinary nights and where clocks change."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.quiet_hours import Quiet, silent_until

CAIRO = ZoneInfo("Africa/Cairo")  # clocks go forward at 2026-04-24 00:00, and back at 2026-10-30 00:00
NIGHT = Quiet(time(22, 30), time(7, 0))


def cairo(day: str, clock: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(f"{day} {clock}").replace(tzinfo=CAIRO, fold=fold)


@pytest.mark.parametrize(
    ("at", "quiet", "until"),
    [
        (cairo("2026-07-01", "23:00"), NIGHT, cairo("2026-07-02", "07:00")),
        (cairo("2026-07-01", "06:59:59"), NIGHT, cairo("2026-07-01", "07:00")),
        (cairo("2026-07-01", "22:30"), NIGHT, cairo("2026-07-02", "07:00")),
        (cairo("2026-07-01", "07:00"), NIGHT, None),
        (cairo("2026-07-01", "22:29:59"), NIGHT, None),
        (cairo("2026-07-01", "13:30"), Quiet(time(13), time(15)), cairo("2026-07-01", "15:00")),
        (cairo("2026-07-01", "15:00"), Quiet(time(13), time(15)), None),
        # A night with 23 hours: the end is at 07:00 all the same.
        (cairo("2026-04-23", "23:00"), NIGHT, cairo("2026-04-24", "07:00")),
        # Clocks skip 00:00 to 00:59: quiet hours that end then, end when clocks go forward.
        (cairo("2026-04-23", "23:59"), Quiet(time(22), time(0, 30)), cairo("2026-04-24", "01:00")),
        (cairo("2026-04-23", "23:59"), Quiet(time(22), time(0, 0)), cairo("2026-04-24", "01:00")),
        # A night with 25 hours.
        (cairo("2026-10-29", "22:45"), NIGHT, cairo("2026-10-30", "07:00")),
        # Clocks show 23:00 to 23:59 twice: quiet hours that end then, end the first time, and return.
        (cairo("2026-10-29", "22:30"), Quiet(time(22), time(23, 30)), cairo("2026-10-29", "23:30")),
        (cairo("2026-10-29", "23:45"), Quiet(time(22), time(23, 30)), None),
        (cairo("2026-10-29", "23:10", fold=1), Quiet(time(22), time(23, 30)), cairo("2026-10-29", "23:30", fold=1)),
    ],
)  # fmt: skip
def test_when_quiet_hours_end(at: datetime, quiet: Quiet, until: datetime | None):
    found = silent_until(at.astimezone(UTC), quiet, CAIRO)
    assert found == (None if until is None else until.astimezone(UTC))


CLOCKS = st.builds(time, st.integers(0, 23), st.integers(0, 59))


@given(
    start=CLOCKS,
    end=CLOCKS,
    at=st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),
    zone=st.sampled_from(["Africa/Cairo", "Asia/Riyadh", "Europe/Berlin", "Australia/Lord_Howe", "America/Santiago"]),
)
def test_quiet_hours_end_at_the_first_minute_that_they_do_not_include(start, end, at, zone):
    quiet, local_zone = Quiet(start, end), ZoneInfo(zone)
    if start == end:
        return
    at = at.replace(second=0, microsecond=0)
    expected = at
    while quiet.includes(expected.astimezone(local_zone).time()):
        expected += timedelta(minutes=1)
    found = silent_until(at, quiet, local_zone)
    assert (found or at) == expected
    assert (found is None) == (not quiet.includes(at.astimezone(local_zone).time()))
