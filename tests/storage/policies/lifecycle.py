"""Writes to what an account's end depends on, in the form of `rules`, and whom its functions answer."""

from tests.storage.policies.rules import NO_ONE, Rules
from tests.storage.policies.world import ANYONE

LIFECYCLE = {
    "account_deletions": Rules(
        "", "", False,
        (
            (NO_ONE, "INSERT INTO account_deletions (user_id, erase_at) VALUES ({me}, now())"),
            (NO_ONE, "UPDATE account_deletions SET erase_at = now() WHERE user_id = {shy}"),
            (NO_ONE, "DELETE FROM account_deletions WHERE user_id = {shy}"),
        ),
    ),
    "username_reservations": Rules(
        "", "", False,
        ((NO_ONE, "INSERT INTO username_reservations VALUES (sha256('x'), now())"),),
    ),
    "consents": Rules(
        "", "", False,
        ((NO_ONE, "INSERT INTO consents (id, user_id, purpose, version) VALUES ({new}, {me}, 'terms', '1')"),),
    ),
    "verifications": Rules(
        "", "", False, ((NO_ONE, "INSERT INTO verifications (id, user_id) VALUES ({new}, {me})"),),
    ),
    "account_exports": Rules(
        "", "", False,
        ((NO_ONE, "INSERT INTO account_exports (id, user_id, object_key)"
                  " VALUES ({new}, {me}, 'exports/{new}/aaaaaaaaaaaaaaaaaaaaaa/')"),),
    ),
}  # fmt: skip

ANSWERED: dict[str, tuple[tuple[str, str], ...]] = {
    "request_deletion": ((ANYONE, "SELECT request_deletion('1 day') IS NOT NULL"),),
    "deletion_due": (("owner", "SELECT request_deletion('1 day'); SELECT deletion_due() IS NOT NULL"),),
    "cancel_deletion": (
        (ANYONE, "SELECT cancel_deletion() FROM request_deletion('1 day')"),
        (NO_ONE, "SELECT cancel_deletion() FROM request_deletion('0 days')"),
        (NO_ONE, "SELECT cancel_deletion()"),
    ),
    "give_consent": (
        (
            "owner",
            "SELECT give_consent({post}, 'terms', '1');"
            "SELECT true FROM consents WHERE user_id = {owner} AND withdrawn_at IS NULL",
        ),
    ),
    "withdraw_consent": (
        (ANYONE, "SELECT withdraw_consent({post}, 'location') FROM give_consent({post}, 'location', '1')"),
        (NO_ONE, "SELECT withdraw_consent({post}, 'terms') FROM give_consent({post}, 'terms', '1')"),
    ),
    "correct_birth_date": (("owner", "SELECT correct_birth_date('1990-01-01')"),),
    "request_verification": (
        (ANYONE, "SELECT request_verification({post}, ARRAY [{file}]) = 0"),
        ("", "SELECT request_verification({post}, ARRAY [{file}]) = 1"),
    ),
    "own_verification": (("owner", "SELECT request_verification({post}, '{{}}'); SELECT id FROM own_verification()"),),
    "verification_queue": (("", "SELECT id FROM request_verification({post}, '{{}}'), verification_queue(0, 9)"),),
    "verification_documents": (("", "SELECT verification_documents({post}) IS NOT NULL"),),
    "decide_verification": (("", "SELECT stands IS NOT NULL FROM decide_verification({post}, 'approved', '')"),),
    "request_export": (
        (ANYONE, "SELECT is_new FROM request_export({post}, 'exports/{post}/aaaaaaaaaaaaaaaaaaaaaa/')"),
    ),
    "erasure_backlog": ((f"{ANYONE} newcomer nobody", "SELECT age IS NOT NULL FROM erasure_backlog()"),),
    "export_backlog": ((f"{ANYONE} newcomer nobody", "SELECT export_backlog() >= 0"),),
}

_OF_WORKERS = {
    "claim_erasure",
    "erase_step",
    "sole_search_uses",
    "reserve_username",
    "finish_erasure",
    "claim_export",
    "renew_export",
    "finish_export",
    "expire_exports",
    "export_rows",
}
TO_WORKERS = {*_OF_WORKERS, "erasure_backlog", "export_backlog"}
INTERNAL = {
    *_OF_WORKERS, "deletion_holds", "username_is_free", "erase_memberships", "erase_digests", "digest_without",
    "export_runs", "may_learn_from", "minor_stays_private", "export_told",
}  # fmt: skip
