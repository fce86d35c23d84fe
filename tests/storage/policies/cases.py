"""Rights to reports and cases, in the forms of `rules` and `answers`. Functions alone write these tables."""

from tests.storage.policies.rules import NO_ONE, Rules

_OPEN = "SELECT open_case('post', {post}, 0, 'rule', 'spam', NULL, '{{}}', NULL)"
_FILE = "SELECT true FROM file_report({new}, 'post', {post}, 0, 'spam', '', '[]')"

CASES = {
    "cases": Rules("", "", False, ((NO_ONE, "UPDATE cases SET severity = 4 WHERE id = {case}"),)),
    "case_acts": Rules("", "", False, ((NO_ONE, "UPDATE case_acts SET note = 'x' WHERE id = {case_act}"),)),
    "reports": Rules("", "", False, ((NO_ONE, "UPDATE reports SET weight = 1 WHERE id = {report}"),)),
    "case_files": Rules("", "", False, ((NO_ONE, "UPDATE case_files SET until = now() WHERE case_id = {case}"),)),
    "reporters": Rules("", "", False, ((NO_ONE, "UPDATE reporters SET upheld = 99 WHERE user_id = {other}"),)),
}  # fmt: skip

ANSWERED: dict[str, tuple[tuple[str, str], ...]] = {
    "viewer_is_moderator": (("muted banned", "SELECT viewer_is_moderator()"),),
    "viewer_is_admin": (("banned", "SELECT viewer_is_admin()"),),
    "open_case": (("owner muted banned nobody", _OPEN),),
    "is_approved": ((NO_ONE, "SELECT is_approved('user', {open})"),),
    "moderators_among": (
        ("muted nobody", "SELECT true FROM moderators_among(ARRAY [{muted}])"),
        (NO_ONE, "SELECT true FROM moderators_among(ARRAY [{other}])"),
    ),
    "file_report": (
        # The owner sees no report of what is the owner's; who does not follow, does not see the post.
        ("cohost other muted banned", _FILE + " WHERE verdict = 'filed'"),
        ("owner", _FILE + " WHERE verdict = 'own'"),
        ("stranger blocked newcomer nobody", _FILE + " WHERE verdict = 'missing'"),
    ),
    "retract_report": (("other", "SELECT retract_report({report})"),),
    "own_reports": (("other", "SELECT true FROM own_reports(9223372036854775807, 9) WHERE id = {report}"),),
    "case_queue": (("muted banned", "SELECT true FROM case_queue(NULL, NULL, NULL, 0, 'all', -2147483647, 0, 1)"),),
    "shown_cases": (("muted banned nobody", "SELECT true FROM shown_cases(ARRAY [{case}])"),),
    "case_reports": (("muted banned", "SELECT true FROM case_reports({case}, 9)"),),
    "case_history": (("muted banned", "SELECT true FROM case_history({case}, 9223372036854775807, 9)"),),
    "claim_case": (
        ("muted banned", "SELECT claim_case({case}) = 'claimed'"),
        ("muted banned", "SELECT claim_case({decided_case}) = 'decided'"),
    ),
    "release_case": (("muted banned", "SELECT release_case({case})"),),
    "close_case": (
        ("muted banned", "SELECT close_case({case}, 'warn', '', '{{}}') = 'closed'"),
        ("muted banned", "SELECT close_case({decided_case}, 'warn', '', '{{}}') = 'decided'"),
    ),
    "objects_of_case": (("muted banned", "SELECT media_id = {file} FROM objects_of_case({case})"),),
    "note_case": (("muted banned", "SELECT note_case({case}, 'x')"),),
}  # fmt: skip
TO_WORKERS = {"open_case", "shown_cases", "count_reports", "let_case_files_go"}
INTERNAL = {
    "case_refusal", "fingerprint_of", "drop_finding",
    "reason_severity", "post_is_private", "moderated_files", "moderated", "tell_of_case", "case_for", "add_to_case",
    "role_changed", "reportable", "report_weight", "report_outcome", "report_severity", "tell_of_report",
    "moderated_file", "hold_files", "leave_to_cases", "case_file_let_go", "let_case_files_go", "evidence_without",
    "count_reports", "case_user", "note_act", "case_decided", "settle_reports",
}  # fmt: skip
