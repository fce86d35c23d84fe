"""Rights to search: workers write the index, users read it through functions, and only their own recent searches."""

from tests.storage.policies.rules import NO_ONE, Rules
from tests.storage.policies.world import VIEWERS

_WORKER = "worker"
_EVERYBODY = " ".join(VIEWERS)
_DOCUMENT = "INSERT INTO search_documents (kind, id, terms) VALUES"
_USE = "INSERT INTO search_uses (id, shown, author_ids) VALUES"
_USELESS = "INSERT INTO search_uses (id, shown, uses, author_ids) VALUES"
_MATCHES = "SELECT true FROM search_matches('post', ARRAY ['''tea {post}'''], NULL, 9,"
_RECENT = "INSERT INTO recent_searches (user_id, folded, q) VALUES"

SEARCH = {
    "search_documents": Rules("", "", False, ((NO_ONE, "DELETE FROM search_documents WHERE id = {post}"),)),
    "search_uses": Rules("", "", False, ((NO_ONE, "UPDATE search_uses SET uses = 9 WHERE id = {post}"),)),
    "recent_searches": Rules(
        "user_id folded q", "q searched_at", True,
        (
            ("stranger", _RECENT + " ({stranger}, 'x', 'x')"),
            (NO_ONE, _RECENT + " ({speaker}, 'x', 'x')"),
            ("owner", "UPDATE recent_searches SET q = 'Tea' WHERE user_id = {owner}"),
            (NO_ONE, "UPDATE recent_searches SET user_id = {me} WHERE user_id = {owner}"),
            ("owner", "DELETE FROM recent_searches WHERE user_id = {owner}"),
        ),
    ),
}  # fmt: skip

OF_WORKERS = {
    "search_documents": Rules(
        "kind id weight terms title", "weight terms title", True,
        (
            (_WORKER, _DOCUMENT + " ('post', {open_post}, 'x')"),
            (_WORKER, _DOCUMENT + " ('hashtag', {open_post}, 'x')"),
            (NO_ONE, _DOCUMENT + " ('hashtag', {owner}, 'x')"),
            (NO_ONE, _DOCUMENT + " ('post', {owner}, 'x')"),  # there is no such post
            (_WORKER, "UPDATE search_documents SET terms = 'y' WHERE id = {post}"),
            (NO_ONE, "UPDATE search_documents SET id = {open_post} WHERE id = {post}"),
            (_WORKER, "DELETE FROM search_documents WHERE id = {post}"),
        ),
    ),
    "search_uses": Rules(
        "id shown uses author_ids", "uses author_ids", False,
        (
            (_WORKER, _USE + " ({new}, 'x', ARRAY [{owner}])"),
            (NO_ONE, _USELESS + " ({new}, 'x', 0, ARRAY [{owner}])"),
            (_WORKER, "UPDATE search_uses SET uses = 2 WHERE id = {post}"),
            (NO_ONE, "UPDATE search_uses SET shown = 'y' WHERE id = {post}"),
        ),
    ),
}  # fmt: skip

ANSWERED: dict[str, tuple[tuple[str, str], ...]] = {
    # Ids alone: what they name is decided by the functions below.
    "search_matches": (
        (_EVERYBODY, _MATCHES + " NULL) WHERE id = {post}"),
        (NO_ONE, _MATCHES + " ARRAY [{open_post}])"),
    ),
    "search_candidates": (
        (_EVERYBODY, "SELECT true FROM search_candidates('post', ARRAY ['''tea {post}'''], 9, NULL) WHERE id = {post}"),
        (NO_ONE, "SELECT true FROM search_candidates('post', ARRAY ['''tea {post}'''], 9, ARRAY [{open_post}])"),
    ),
    "search_suggestions": (
        (_EVERYBODY, "SELECT true FROM search_suggestions(ARRAY ['''tea {post}'''], 9) WHERE id = {post}"),
    ),
    "found_posts": (
        ("owner cohost muted banned other", "SELECT true FROM found_posts(ARRAY [{post}])"),
        ("owner", "SELECT true FROM found_posts(ARRAY [{deleted_post}, {lost_post}])"),
        (NO_ONE, "SELECT true FROM found_posts(ARRAY [{deleted_post}])"),
    ),
    "found_users": (
        (_EVERYBODY.replace(" blocked", "").replace(" nobody", ""), "SELECT true FROM found_users(ARRAY [{owner}])"),
        (_EVERYBODY.replace("owner ", "").replace(" nobody", ""), "SELECT true FROM found_users(ARRAY [{blocked}])"),
    ),
    "found_hashtags": (
        ("owner cohost muted banned other", "SELECT found_hashtags(ARRAY ['#tea{post}'])"),
        (NO_ONE, "SELECT found_hashtags(ARRAY ['#coffee{post}'])"),
    ),
}  # fmt: skip
INTERNAL = {"finds_tagged", "search_due", "search_find"}
