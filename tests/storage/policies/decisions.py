"""Rights to decisions, statements and the audit chain, in the forms of `rules` and `answers`. Functions write them."""

from tests.storage.policies.rules import NO_ONE, Rules

_DRAFT = """jsonb_build_object('target_type', '{type}', 'target_id', {{{target}}}::bigint, 'target_seq', 0,
    'action', 'hold', 'reason', 'spam', 'labels', '[]'::jsonb, 'note', '', 'facts_ar', 'x', 'facts_en', 'x'{more})"""


_SEAL = "VALUES ({new}, {new}, decode(repeat('00', 32), 'hex'))"


def _decide(target: str, *, more: str = "") -> str:
    return f"SELECT id FROM decide({_DRAFT.format(type='post', target=target, more=more)})"


DECISIONS = {
    "decisions": Rules("", "", False, ((NO_ONE, "UPDATE decisions SET note = 'y' WHERE id = {decision}"),)),
    "audit_chain": Rules("", "", False, ((NO_ONE, "INSERT INTO audit_chain (place, audit_id, hash) " + _SEAL),)),
    "audit_unsealed": Rules("", "", False, ((NO_ONE, "INSERT INTO audit_unsealed (audit_id) VALUES ({new})"),)),
    "statements": Rules("", "", False, ((NO_ONE, "UPDATE statements SET facts = 'y' WHERE decision_id = {decision}"),)),
}

ANSWERED: dict[str, tuple[tuple[str, str], ...]] = {
    "decide": (
        ("muted banned", _decide("post")),
        ("owner", _decide("post", more=", 'rule_id', 1")),
    ),
    "undo_decision": (("muted banned", "SELECT id FROM undo_decision({decision}, NULL, NULL)"),),
}
TO_WORKERS = {"decide_without_viewer", "expire_decisions", "seal_audit"}
INTERNAL = {
    "make_decision", "state_reasons", "tell_of_decision", "end_decision", "decide_without_viewer", "expire_decisions",
    "audit_noted", "audit_kept", "audit_hash", "seal_audit",
}  # fmt: skip
