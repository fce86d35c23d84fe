"""Labels of content: how viewers see what carries one. `hidden_labels` in the database is the same rule."""

from collections.abc import Mapping

from domain.ages import ADULT
from protocol import errors
from protocol.moderation import Label
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
