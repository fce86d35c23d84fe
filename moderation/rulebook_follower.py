"""Keeps this process's rulebook up to date with the database.

A process reads the version of the rulebook every second, and at once after one of its own calls has changed it. While a
thread builds a new rulebook, or while the database does not answer, the process uses the last one.
"""

import asyncio
from contextlib import suppress

import structlog
from prometheus_client import Gauge

from moderation.rulebook import Rulebook
from moderation.rules import Rule
from moderation.term_lists import TermList
from storage import rules
from storage.database import Database
from storage.reach import OUT_OF_REACH
from storage.rules import BookRows

FOLLOW_EVERY_S = 1.0

VERSION = Gauge("daira_rulebook_version", "The version of the rulebook that this process serves with")

log = structlog.get_logger()


class RulebookFollower:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._woken = asyncio.Event()
        self.book = Rulebook(0)

    async def load(self) -> None:
        """Load the book if there is a newer one. Raises DatabaseUnavailable."""
        if await rules.version(self._database) != self.book.version:
            rows = await rules.load_book(self._database)
            self.book = await asyncio.to_thread(build, rows)
            VERSION.set(self.book.version)

    def wake(self) -> None:
        """Look for a newer book at once."""
        self._woken.set()

    async def keep_following(self) -> None:
        """Follow the book of the database, forever."""
        while True:
            try:
                await self.load()
            except OUT_OF_REACH as error:
                log.warning("the rulebook could not be updated", version=self.book.version, error=str(error))
            with suppress(TimeoutError):
                async with asyncio.timeout(FOLLOW_EVERY_S):
                    await self._woken.wait()
            self._woken.clear()


def build(rows: BookRows) -> Rulebook:
    found = [
        Rule(
            row["id"],
            row["version"],
            row["name"],
            row["expression"],
            row["outcome"],
            row["surfaces"],
            row["reason"],
            row["message"],
        )
        for row in rows["rules"]
    ]
    return Rulebook(rows["version"], found, [TermList(*each) for each in rows["lists"]])
