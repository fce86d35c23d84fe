"""The gold set: documents as Egyptians write them, and queries with judged documents. See `gold/README.md`."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple, cast

GOLD = Path(__file__).with_name("gold")

GoldKind = Literal["post", "user", "hashtag", "room"]


class GoldDocument(NamedTuple):
    id: str
    kind: GoldKind
    text: str  # of a user: username | display name | bio; of a hashtag without #, and some post has it

    @property
    def user_names(self) -> tuple[str, str]:
        """The username and display name of a user."""
        username, display_name, _ = self.text.split(" | ")
        return username, display_name


class GoldTopic(NamedTuple):
    id: str
    subject: str
    is_held_out: bool
    need: str  # what a user who searches wants


class GoldQuery(NamedTuple):
    topic: GoldTopic
    form: str  # how it is written: script, arabizi, mixed, typo, english, plain
    variant: str  # of the form: clitic, hamza, …, or the digit of Arabizi; "" if it has none
    kind: GoldKind
    text: str
    grades: Mapping[str, float]  # by the id of the document: 2 is what was meant, 1 is of use


class GoldSet(NamedTuple):
    documents: list[GoldDocument]
    queries: list[GoldQuery]


def load_gold_set(folder: Path = GOLD) -> GoldSet:
    """Read the gold set. Raises KeyError and ValueError for a file that is broken."""
    topics = {
        row["topic"]: GoldTopic(row["topic"], row["subject"], row["held_out"] == "yes", row["need"])
        for row in _rows(folder / "topics.tsv")
    }
    documents = [
        GoldDocument(row["document"], cast("GoldKind", row["kind"]), row["text"])
        for row in _rows(folder / "documents.tsv")
    ]
    queries = []
    for row in _rows(folder / "queries.tsv"):
        form, _, variant = row["form"].partition(":")
        judged = (each.split(":") for each in row["relevant"].split())
        grades = {document: float(grade) for document, grade in judged}
        kind = cast("GoldKind", row["kind"])
        queries.append(GoldQuery(topics[row["topic"]], form, variant, kind, row["query"], grades))
    return GoldSet(documents, queries)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
