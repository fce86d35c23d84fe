"""Rights to the rulebook, in the forms of `rules` and `answers`. Functions alone write these tables."""

from tests.storage.policies.rules import NO_ONE, Rules
from tests.storage.policies.world import ANYONE

_SAVE = "SELECT save_rule({new}, 0, 'x', '{{post}}', 'true', 'hold', 'spam', '')"
_TERMS = "SELECT save_terms({new}, 0, 'list_{new}', 'word', '{{casino}}', '{{}}')"
_WEIGH = "SELECT age_s FROM weigh_text({new}, 'post', NULL)"
_LOG = """SELECT log_rule_hits(ARRAY [{new}], ARRAY [{rule}], ARRAY [1],
    ARRAY ['post'], ARRAY ['hold'], ARRAY [{owner}],
    ARRAY [NULL::bigint]) > 0"""

_HASH = "INSERT INTO removed_hashes VALUES ('media', {file}, 0, {file}, 'spam', 0::bit(64), '{{0,0,0,0}}')"

RULEBOOK = {
    "rulebook": Rules("", "", False, ((NO_ONE, "UPDATE rulebook SET version = 1"),)),
    "rules": Rules("", "", False, ((NO_ONE, "UPDATE rules SET is_enabled = true WHERE id = {rule}"),)),
    "term_lists": Rules("", "", False, ((NO_ONE, "UPDATE term_lists SET match = 'sound' WHERE id = {term_list}"),)),
    "terms": Rules("", "", False, ((NO_ONE, "DELETE FROM terms WHERE list_id = {term_list}"),)),
    "rule_hits": Rules("", "", False, ((NO_ONE, "DELETE FROM rule_hits WHERE rule_id = {rule}"),)),
    "removed_hashes": Rules("", "", False, ((NO_ONE, _HASH),)),
    "text_prints": Rules("", "", False, ((NO_ONE, "DELETE FROM text_prints WHERE id = {open_post}"),)),
}

ANSWERED: dict[str, tuple[tuple[str, str], ...]] = {
    "save_rule": (("banned", _SAVE),),
    "enable_rule": (("banned", "SELECT enable_rule({rule}, 1)"),),
    "save_terms": (("banned", _TERMS),),
    "weigh_text": ((ANYONE, _WEIGH),),
    "log_rule_hits": (("nobody", _LOG),),
    "flag_content": (("owner", "SELECT flag_content('post', {post}, 1)"),),
    "removed_like": ((NO_ONE, "SELECT removed_like(ARRAY [{loose_file}]) <> '{{}}'"),),
    "trial_removed_like": ((NO_ONE, "SELECT true FROM trial_removed_like('post', ARRAY [{post}])"),),
    "trial_size": (("banned", "SELECT trial_size('{{post}}') > 0"),),
    "trial_texts": (
        ("banned", "SELECT true FROM trial_texts('{{post}}', {open_post} - 1, 1, 9) WHERE id = {open_post}"),
    ),
}
TO_WORKERS = {"forget_texts", "flagged_content"}
INTERNAL = TO_WORKERS | {
    "change_rulebook", "pace_of", "repeats_of", "media_hashed", "remember_removed", "parts_of_hash", "hash_of",
    "reasons_near", "mirrored",
}  # fmt: skip
