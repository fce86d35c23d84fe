"""Reports of faults: what is logged as an error goes to the reporter too, if there is one."""

from collections.abc import Callable, Mapping
from typing import Any

Reporter = Callable[[Mapping[str, Any]], None]

_reporter: Reporter | None = None


def report_to(reporter: Reporter | None) -> None:
    """Give this reporter each line that is logged as an error. It must neither block nor raise."""
    global _reporter
    _reporter = reporter


def report(line: Mapping[str, Any]) -> None:
    """line: `event`, its fields, and `exc_info` as the logger was given it."""
    if _reporter is not None:
        _reporter(line)
