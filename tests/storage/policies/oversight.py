"""Viewers whom the functions of oversight answer, in the form of `answers`."""

ANSWERED: dict[str, tuple[tuple[str, str], ...]] = {
    "reviewed_account": (
        ("muted banned", "SELECT id FROM reviewed_account({other}, NULL)"),
        ("muted banned", "SELECT id FROM reviewed_account(NULL, (SELECT username_key FROM users WHERE id = {me}))"),
    ),
    "audit_page": (("banned", "SELECT id FROM audit_page(NULL, NULL, NULL, 9223372036854775807, 1, 100)"),),
    "queue_numbers": (("muted banned", "SELECT opened FROM queue_numbers(10)"),),
}
INTERNAL = {"open_cases"}
