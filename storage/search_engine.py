"""The interface of search engines: they find documents by terms, and know no viewers.

Callers drop what the viewer may not see before they count, rank or show anything. Every answer is bounded, however
frequent the terms are. Writes are safe to repeat, and later ones of a document win.
"""

import hashlib
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple, Protocol

import msgspec

MOST_CANDIDATES = 200
MOST_EVER = 1_000  # candidates for a viewer who may see few of those
MOST_LOOSER = 100  # of MOST_CANDIDATES, until which matches that are not exact are added; `search_matches` knows it too

DocumentKind = Literal["post", "user", "hashtag", "room", "word"]


class Document(msgspec.Struct, frozen=True):
    """What an engine knows of a post, a user, a hashtag, a room, or a word that people often write."""

    kind: DocumentKind
    id: int  # of hashtags and words: `word_id`
    terms: Sequence[str]  # each once; ^ begins those of unfinished words, for suggestions, and ~ phonetic keys
    title: str  # what suggestions show; empty for posts
    created_at: datetime
    weight: int = 0  # 0 to 63: documents with a higher one are found first, and among equals the newest


class Found(NamedTuple):
    kind: DocumentKind
    id: int
    text_score: float  # 0…1: 1 if the document has the first alternative of each word
    title: str


class SearchEngine(Protocol):
    """All methods raise SearchUnavailable if the engine does not answer."""

    async def write(self, documents: Sequence[Document], *, read_at: int | None = None) -> None:
        """Add documents, or replace those with the same kind and id.

        read_at: when the rows were read, by `reading_time`: OpenSearch then ignores it if it has a later reading.
        """

    async def remove(self, kind: DocumentKind, ids: Sequence[int], *, read_at: int | None = None) -> None:
        """Remove documents. Unknown ids are no error. read_at: as of `write`."""

    async def candidates(
        self, kind: DocumentKind, groups: Sequence[Sequence[str]], most: int, *, among: Sequence[int] | None = None
    ) -> list[Found]:
        """Documents with a term of each group: the best matches, and the heaviest and newest among them.

        Those without the first alternative of each word are added only until there are MOST_LOOSER, or half of `most`;
        but those with their phonetic keys have three tenths of `most` for themselves.

        groups: for each word of a query its alternatives, best first. most: at most MOST_EVER. among: only documents
        with these ids.
        """

    async def suggest(self, groups: Sequence[Sequence[str]], most: int) -> list[Found]:
        """Users, hashtags and words with a term of each group: at most `most` of each kind, heaviest first."""


def by_sound(groups: Sequence[Sequence[str]]) -> list[list[str]]:
    """Of each word the first alternative, and those that are phonetic keys, except rough ones (`~…*`)."""
    return [
        [group[0], *(term for term in group[1:] if term[0] == "~" and term[-1] != "*")] for group in groups if group
    ]


def reading_time() -> int:
    """The time in microseconds since 1970. Take it before rows are read."""
    return time.time_ns() // 1_000


def word_id(folded: str) -> int:
    """The id of the document of a hashtag or a word: the same on every machine."""
    return int.from_bytes(hashlib.blake2b(folded.encode(), digest_size=8).digest()) >> 1


class SearchUnavailable(Exception):
    """The engine does not answer; a later attempt may succeed."""
