"""Rights to reports and cases, in the forms of `rules` and `answers`. Functions alone write these tables."""

from tests.storage.policies.rules import NO_ONE, Rules

_OPEN = "SELECT open_case('post', {post}, 0, 'rule', 'spam', NULL, '{{}}', NULL)"

CASES = {
    "cases": Rules("", "", False, ((NO_ONE, "UPDATE cases SET severity = 4 WHERE id = {case}"),)),
    "case_acts": Rules("", "", False, ((NO_ONE, "UPDATE case_acts SET note = 'x' WHERE id = {case_act}"),)),
    "reports": Rules("", "", False, ((NO_ONE, "UPDATE reports SET weight = 1 WHERE id = {report}"),)),
    "reporters": Rules("", "", False, ((NO_ONE, "UPDATE reporters SET upheld = 99 WHERE user_id = {other}"),)),
}  # fmt: skip

ANSWERED: dict[str, tuple[tuple[str, str], ...]] = {
    "viewer_is_moderator": (("muted banned", "SELECT viewer_is_moderator()"),),
    "viewer_is_admin": (("banned", "SELECT viewer_is_admin()"),),
    "open_case": (("owner muted banned nobody", _OPEN),),
}  # fmt: skip
TO_WORKERS = {"open_case"}
INTERNAL = {
    "reason_severity", "post_is_private", "moderated_files", "moderated", "tell_of_case", "case_for", "add_to_case",
    "role_changed",
}  # fmt: skip
