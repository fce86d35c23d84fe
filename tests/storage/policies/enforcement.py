"""Rights to what decisions of moderation do, in the form of `answers`."""

from tests.storage.policies.rules import NO_ONE
from tests.storage.policies.world import VIEWERS

_EVERYBODY = " ".join(VIEWERS)

ANSWERED: dict[str, tuple[tuple[str, str], ...]] = {
    "is_shown": (
        (_EVERYBODY, "SELECT is_shown('limited')"),
        (NO_ONE, "SELECT is_shown('shadowed') OR is_shown('held') OR is_shown('removed')"),
    ),
    "hidden_labels": (
        (_EVERYBODY.replace("owner ", ""), "SELECT 'sexual' = ANY (hidden_labels())"),
        ("owner", "SELECT hidden_labels() = ARRAY ['spoiler']"),
    ),
    "viewer_hides": (
        (_EVERYBODY.replace("owner ", ""), "SELECT viewer_hides(ARRAY ['sexual', 'violence'])"),
        ("owner", "SELECT viewer_hides(ARRAY ['spoiler'])"),
        (NO_ONE, "SELECT viewer_hides('{{}}')"),
    ),
    # All viewers are adults. `test_labels` tests minors.
    "viewer_too_young": ((NO_ONE, "SELECT viewer_too_young(ARRAY ['sexual', 'graphic'])"),),
    "comment_limits": (
        (_EVERYBODY, "SELECT labels = ARRAY ['spoiler'] FROM comment_limits(ARRAY [{reply}])"),
        ("cohost", "SELECT told_standing = 'limited' FROM comment_limits(ARRAY [{reply}])"),
    ),
}
INTERNAL = {
    "decided", "enforce", "enforce_on_post", "enforce_on_room", "enforce_on_user", "narrowed", "end_room",
    "tell_of_finished", "too_young_for", "withhold_files", "tell_of_withheld", "withheld_by", "kept_from_minors_by",
    "recheck_notifications",
}  # fmt: skip
TO_WORKERS = {
    "is_shown", "hidden_labels", "viewer_hides", "viewer_too_young", "comment_limits", "withheld_by",
    "kept_from_minors_by", "recheck_notifications",
}  # fmt: skip
