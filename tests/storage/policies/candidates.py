"""Candidates for feeds: whom their functions answer, in the form of `answers`."""

from tests.storage.policies.rules import NO_ONE
from tests.storage.policies.world import VIEWERS

_ASK = "FROM beyond_inbox(ARRAY ['second_degree'], 99, 1000)"

ANSWERED: dict[str, tuple[tuple[str, str], ...]] = {
    "beyond_inbox": (
        (" ".join(VIEWERS), f"SELECT failure IS NULL {_ASK}"),
        # `open` has a new account, and `owner` a private one.
        (NO_ONE, f"SELECT true {_ASK} WHERE post_ids && ARRAY [{{open_post}}, {{post}}]"),
    ),
}
INTERNAL = {"recommendable_post_ids", "recommended_since", "second_degree_post_ids"}
