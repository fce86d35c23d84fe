"""One mutant: a small fault in the text of a file, policy or function."""

import difflib
from collections.abc import Callable, Iterator
from typing import NamedTuple


class Mutant(NamedTuple):
    """`place` is a file's path, or the name of the policy or function in the database."""

    module: str
    place: str
    line: int  # of the original, from 1
    original: str
    make: Callable[[], str]  # returns the whole text with the fault

    def changed_lines(self) -> tuple[str, str]:
        """Return the changed lines of the original and of the mutant, without indentation."""
        was, becomes = self.original.splitlines(), self.make().splitlines()
        changed = [line for line in _differing(was, becomes) if line[2:].strip()]
        return (
            " ".join(line[2:].strip() for line in changed if line.startswith("- ")),
            " ".join(line[2:].strip() for line in changed if line.startswith("+ ")),
        )

    def diff(self) -> str:
        lines = difflib.unified_diff(
            self.original.splitlines(), self.make().splitlines(), self.place, self.place, lineterm="", n=1
        )
        return "\n".join(lines)


def _differing(was: list[str], becomes: list[str]) -> Iterator[str]:
    """Yield the differing lines as ndiff does, but faster, because only one place differs."""
    start = 0
    while start < min(len(was), len(becomes)) and was[start] == becomes[start]:
        start += 1
    end = 0
    while end < min(len(was), len(becomes)) - start and was[-1 - end] == becomes[-1 - end]:
        end += 1
    yield from (f"- {line}" for line in was[start : len(was) - end])
    yield from (f"+ {line}" for line in becomes[start : len(becomes) - end])
