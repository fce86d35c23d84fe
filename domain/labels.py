"""Labels of content: how viewers see what carries one. `hidden_labels` in the database is the same rule."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from domain.ages import ADULT
from protocol import errors
from protocol.chat_messages import ChatMessage
from protocol.comments import CommentForAll
from protocol.moderation import Label
from protocol.posts import PostForAll, PostLite
from protocol.standing import LabelChoice

DEFAULTS: Mapping[Label, LabelChoice] = {
    "sensitive": "blur",
    "violence": "blur",
    "sexual": "hide",
    "spoiler": "blur",
    "misleading": "show",
    "graphic": "blur",
}
HIDDEN_FROM_MINORS: frozenset[Label] = frozenset({"sexual", "graphic"})


ShownT = TypeVar("ShownT", bound=PostLite | CommentForAll | ChatMessage)


def are_for_adults(labels: Iterable[Label]) -> bool:
    """Whether users below 18 see nothing of others that has these labels."""
    return not HIDDEN_FROM_MINORS.isdisjoint(labels)


def for_minors(shown: ShownT) -> ShownT | None:
    """The version that users below 18 see, if others have written it; None if they see nothing of it.

    It lacks files and shared posts with labels that are for adults.
    """
    if are_for_adults(shown.labels):
        return None
    changes: dict[str, Any] = {}
    files = [file for file in shown.media if not are_for_adults(file.labels)]
    if len(files) < len(shown.media):
        changes["media"] = files
    if isinstance(shown, PostForAll) and shown.shared is not None:
        shared = for_minors(shown.shared)
        if shared is not shown.shared:
            changes["shared"] = shared
    return msgspec.structs.replace(shown, **changes) if changes else shown


def choices(chosen: Mapping[Label, LabelChoice], *, is_minor: bool) -> dict[Label, LabelChoice]:
    """How the user sees each label. chosen: what differs from the defaults."""
    found: dict[Label, LabelChoice] = {**DEFAULTS, **chosen}
    if is_minor:
        found.update(dict.fromkeys(HIDDEN_FROM_MINORS, "hide"))
    return found


def check_may_choose(chosen: Mapping[Label, LabelChoice], *, is_minor: bool) -> None:
    """Raises INVALID_ARGUMENT for what minors may not choose."""
    for label, choice in chosen.items():
        if is_minor and label in HIDDEN_FROM_MINORS and choice != "hide":
            raise errors.invalid(f"labels.{label}", f"is hidden from users below {ADULT}")
