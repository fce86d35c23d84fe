"""Visibility of posts, and their place in feeds, by the rules in Python alone, without row policies."""

import itertools

import pytest

from domain import visibility

AUTHOR, VIEWER, OTHER = 1, 2, 3


def row(visibility="public", **changes):
    """Return a row of a post; by default public, from a stranger with an open account."""
    relation = dict.fromkeys(("blocks", "blocked_by", "follows", "mutes_posts", "author_is_private"), False)
    share = {"text": "x", "shared_post_id": None, "shared": None, "mutes_shared": False}
    state = {"standing": "visible", "is_label_hidden": False}
    return {"author_id": AUTHOR, "visibility": visibility, "mention_ids": [], **state, **share, **relation, **changes}


@pytest.mark.parametrize(
    ("audience", "is_private", "follows", "may"),
    [
        ("public", False, False, True),
        ("public", False, True, True),
        ("public", True, False, False),
        ("public", True, True, True),
        ("followers", False, False, False),
        ("followers", False, True, True),
        ("followers", True, False, False),
        ("followers", True, True, True),
        ("circle", False, False, True),  # the row policy decides whether the viewer is in the circle
        ("circle", True, False, True),
        ("private", False, True, False),
        ("private", True, True, False),
    ],
)
def test_who_may_see_a_post(audience, is_private, follows, may):
    assert visibility.may_see(row(audience, author_is_private=is_private, follows=follows), VIEWER) is may


@pytest.mark.parametrize("audience", ["public", "followers", "circle", "private"])
@pytest.mark.parametrize(("blocks", "blocked_by"), [(True, False), (False, True), (True, True)])
def test_a_block_either_way_hides_every_post_even_from_followers(audience, blocks, blocked_by):
    post = row(audience, blocks=blocks, blocked_by=blocked_by, follows=True)
    assert visibility.may_see(post, VIEWER) is False
    assert visibility.feed_reason(post, VIEWER) is None


@pytest.mark.parametrize("audience", ["public", "followers", "circle", "private"])
def test_authors_see_all_their_posts_and_none_is_in_their_feed(audience):
    own = row(audience, author_is_private=True, mention_ids=[AUTHOR])
    assert visibility.may_see(own, AUTHOR) is True
    assert visibility.feed_reason(own, AUTHOR) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"follows": True}, "follow"),
        ({"follows": True, "mention_ids": [VIEWER]}, "follow"),
        ({"mention_ids": [OTHER, VIEWER]}, "mention"),
        ({"mention_ids": [OTHER]}, None),
        ({}, None),
        ({"follows": True, "mutes_posts": True}, None),
        ({"mention_ids": [VIEWER], "mutes_posts": True}, None),
        ({"mention_ids": [VIEWER], "author_is_private": True}, None),
        ({"follows": True, "shared_post_id": 9, "shared": "{}", "text": ""}, "follow"),
        ({"follows": True, "shared_post_id": 9, "shared": None}, "follow"),
        ({"follows": True, "shared_post_id": 9, "shared": None, "text": ""}, None),
        ({"follows": True, "shared_post_id": 9, "shared": "{}", "mutes_shared": True}, None),
        ({"follows": True, "standing": "limited"}, "follow"),
        ({"mention_ids": [VIEWER], "standing": "limited"}, None),
        ({"follows": True, "is_label_hidden": True}, None),
    ],
)
def test_why_a_post_is_in_a_feed(changes, reason):
    assert visibility.feed_reason(row(**changes), VIEWER) == reason


def test_a_feed_has_no_post_that_its_owner_may_not_see():
    """A reason to be in a feed never overrides `may_see`."""
    flags = ("blocks", "blocked_by", "follows", "mutes_posts", "author_is_private")
    for audience, *values in itertools.product(("public", "followers", "circle", "private"), *[(False, True)] * 5):
        post = row(audience, mention_ids=[VIEWER], **dict(zip(flags, values, strict=True)))
        if not visibility.may_see(post, VIEWER):
            assert visibility.feed_reason(post, VIEWER) is None, post


@pytest.mark.parametrize("changes", [{"standing": "limited"}, {"is_label_hidden": True}])
def test_what_is_limited_or_hidden_by_a_label_is_found_only_by_its_author(changes):
    post = row(**changes)
    assert visibility.may_see(post, VIEWER) is True
    assert visibility.may_find(post, VIEWER) is False
    assert visibility.may_recommend(post, VIEWER) is False
    assert visibility.may_find(post, AUTHOR) is True
    assert visibility.may_find(row(), VIEWER) is True
