"""Quiet hours: times of day in which a user's devices stay silent, in the user's time zone."""

from datetime import UTC, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)


class Quiet(NamedTuple):
    """From `start` until `end` of the local clock, over midnight if `start` is the later one."""

    start: time
    end: time

    def includes(self, clock: time) -> bool:
        if self.start < self.end:
            return self.start <= clock < self.end
        return clock >= self.start or clock < self.end


def silent_until(at: datetime, quiet: Quiet, zone: ZoneInfo) -> datetime | None:
    """The first minute after `at` that quiet hours do not include; None if they do not include `at`.

    If clocks skip the end, that is when they go forward. If clocks show the end twice, it is the first time, and a time
    of the quiet hours that clocks show again is silent again.
    """
    local = at.astimezone(zone)
    if not quiet.includes(local.time()):
        return None
    day = local.date() if local.time() < quiet.end else local.date() + _DAY
    end = datetime.combine(day, quiet.end, zone).astimezone(UTC)
    if end.astimezone(zone).utcoffset() == local.utcoffset():
        return end
    moment = at.astimezone(UTC).replace(second=0, microsecond=0)  # clocks change in this night: look at each minute
    while quiet.includes(moment.astimezone(zone).time()):
        moment += _MINUTE
    return moment
