"""Pushes for adults and for minors: users below 18 get only the labelled content that they may see."""

from collections.abc import Iterable
from typing import Literal, TypeVar

import msgspec

from channels.messages import Ages
from domain.labels import are_for_adults, for_minors
from protocol.moderation import Label
from protocol.pushes import Push

PushT = TypeVar("PushT", bound=Push)


def by_age(push: PushT, field: Literal["post", "comment", "message"], to: Ages = "all") -> list[tuple[PushT, Ages]]:
    """The versions for users of these ages; one for all of them if minors may see all that `field` shows."""
    shown = getattr(push, field)
    seen = for_minors(shown)
    if seen is shown:
        return [(push, to)]
    versions: list[tuple[PushT, Ages]] = [(push, "adults")]
    if seen is not None:
        versions.append((msgspec.structs.replace(push, id=f"{push.id}:minors", **{field: seen}), "minors"))
    return [(version, ages) for version, ages in versions if to in ("all", ages)]


def seeing_ages(labels: Iterable[Label]) -> Ages:
    """The ages of the users who see a post with these labels that somebody else has written."""
    return "adults" if are_for_adults(labels) else "all"
