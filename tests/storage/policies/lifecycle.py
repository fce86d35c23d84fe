"""Writes to what an account's end depends on, in the form of `rules`, and whom its functions answer."""

from tests.storage.policies.rules import NO_ONE, Rules
from tests.storage.policies.world import ANYONE

LIFECYCLE = {
    "account_deletions": Rules(
        "", "", False,
        (
            (NO_ONE, "INSERT INTO account_deletions (user_id, erase_at) VALUES ({me}, now())"),
            (NO_ONE, "UPDATE account_deletions SET erase_at = now() WHERE user_id = {muted}"),
            (NO_ONE, "DELETE FROM account_deletions WHERE user_id = {muted}"),
        ),
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
}

INTERNAL = {"deletion_holds"}
