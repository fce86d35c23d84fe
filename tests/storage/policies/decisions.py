"""Rights to decisions, statements and the audit chain, in the forms of `rules` and `answers`. Functions write them."""

from tests.storage.policies.rules import NO_ONE, Rules
from tests.storage.policies.world import ANYONE

_DRAFT = """jsonb_build_object('target_type', '{type}', 'target_id', {{{target}}}::bigint, 'target_seq', 0,
    'action', 'hold', 'reason', 'spam', 'labels', '[]'::jsonb, 'note', '', 'facts_ar', 'x', 'facts_en', 'x'{more})"""


_SEAL = "VALUES ({new}, {new}, decode(repeat('00', 32), 'hex'))"


def _decide(target: str, *, more: str = "") -> str:
    return f"SELECT id FROM decide({_DRAFT.format(type='post', target=target, more=more)})"


DECISIONS = {
    "decisions": Rules("", "", False, ((NO_ONE, "UPDATE decisions SET note = 'y' WHERE id = {decision}"),)),
    "audit_chain": Rules("", "", False, ((NO_ONE, "INSERT INTO audit_chain (place, audit_id, hash) " + _SEAL),)),
    "audit_unsealed": Rules("", "", False, ((NO_ONE, "INSERT INTO audit_unsealed (audit_id) VALUES ({new})"),)),
    "appeals": Rules("", "", False, ((NO_ONE, "UPDATE appeals SET text = 'y' WHERE id = {appeal}"),)),
    "statements": Rules("", "", False, ((NO_ONE, "UPDATE statements SET facts = 'y' WHERE decision_id = {decision}"),)),
}

ANSWERED: dict[str, tuple[tuple[str, str], ...]] = {
    "decide": (
        ("muted banned", _decide("post")),
        ("owner", _decide("post", more=", 'rule_id', 1")),
    ),
    "undo_decisions": (
        ("banned", "SELECT undo_decisions(NULL, {muted}, now() - interval '1 day', 9, NULL, NULL) > 0"),
    ),
    "account_limits": ((NO_ONE, "SELECT id FROM account_limits(9223372036854775807, 9)"),),
    "appeal": ((NO_ONE, "SELECT made FROM appeal({decision}, 'x')"),),
    "decide_appeal": (
        ("banned", "SELECT decide_appeal({appeal}, true) = 'decided'"),
        ("muted", "SELECT decide_appeal({appeal}, true) = 'barred'"),
    ),
    "restricted_session": ((NO_ONE, "SELECT restricted_session({session}, {owner})"),),
    "own_moderation_notice": ((NO_ONE, "SELECT own_moderation_notice('decision', {decision})"),),
    "audit_backlog": ((f"{ANYONE} newcomer nobody", "SELECT audit_backlog() >= 0"),),
    "undo_decision": (("muted banned", "SELECT id FROM undo_decision({decision}, NULL, NULL)"),),
}
TO_WORKERS = {"decide_without_viewer", "expire_decisions", "seal_audit", "audit_backlog", "moderation_notice"}
INTERNAL = {
    "is_for_admins", "make_decision", "enforce_decision", "state_reasons", "tell_of_decision", "end_decision",
    "decide_without_viewer", "expire_decisions", "appeals_settled", "appeal_ended", "settle_appeal",
    "note_appeal", "reject_reports", "end_decisions", "moderation_notice", "audit_noted", "audit_kept",
    "audit_hash", "seal_audit",
}  # fmt: skip
