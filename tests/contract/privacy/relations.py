"""Relations between a viewer and an owner, and the one rule that says what the viewer may see of the owner.

The rule is written here a second time, independently of `domain.visibility` and of the row policies, so that the matrix
finds an error in any of them.
"""

from typing import NamedTuple

# Words for what stands between a viewer and an owner. The viewer follows the owner, is followed by them, has requested
# to follow them, is in their circle; blocks them, is blocked by them; mutes all of them, their posts or their stories;
# is muted by them.
Tie = frozenset[str]

INVERSE = {
    "follows": "followed", "followed": "follows", "blocks": "blocked", "blocked": "blocks", "mutes": "muted",
    "muted": "mutes", "requested": "asked",
}  # fmt: skip


def tie(words: str) -> Tie:
    return frozenset(words.split())


IN_CHATS = ("say", "talk")  # what `may_see` names of chats


class Relation(NamedTuple):
    """What the tie was while the owner's things were made, and what it is since."""

    before: Tie
    now: Tie


def _stays(words: str) -> Relation:
    return Relation(tie(words), tie(words))


def _becomes(before: str, now: str) -> Relation:
    return Relation(tie(before), tie(now))


RELATIONS = {
    "stranger": _stays(""),
    "follower": _stays("follows"),
    "followed": _stays("followed"),
    "mutual": _stays("follows followed"),
    "requester": _stays("requested"),
    "member": _stays("circle"),
    "inner": _stays("follows circle"),
    "mutes": _stays("follows mutes"),
    "mutes_posts": _stays("follows mutes_posts"),
    "mutes_stories": _stays("follows mutes_stories"),
    "muted": _stays("muted"),
    "blocks": _stays("blocks"),
    "blocked": _stays("blocked"),
    "foes": _stays("blocks blocked"),
    "unfollowed": _becomes("follows", ""),
    "rejected": _becomes("requested", ""),
    "removed": _becomes("follows circle", "follows"),
    "has_blocked": _becomes("follows followed circle", "blocks"),
    "was_blocked": _becomes("follows followed circle", "blocked"),
    "unblocked": _becomes("blocks", ""),
    "has_muted": _becomes("follows circle", "follows circle mutes"),
    "unmuted": _becomes("follows mutes", "follows"),
}


def may_see(tie: Tie, what: str, is_private: bool) -> bool:
    """Whether a viewer with that tie to an owner may see something of theirs. is_private: the owner's account is.

    what: the visibility of a post or room: "public", "followers", "circle" or "private"; or "profile"; "lists" of
    followers; "presence"; "act": what the owner does in a place that both see; "act on posts": there, about posts;
    "feed": that the owner's posts are in the viewer's feed; "contact": that the viewer may add the owner to something;
    "say": what the owner says in a group; "talk": their direct chat, and what the owner says in it.
    """
    if "self" in tie:
        return what != "feed"
    if "blocked" in tie:
        return False
    opens = "follows" in tie or not is_private
    match what:
        case "profile":
            return True
        case "lists":
            return opens
        case _ if "blocks" in tie:
            return False
        case "public" | "presence":
            return opens
        case "followers":
            return "follows" in tie
        case "circle":
            return "circle" in tie
        case "contact" | "talk":
            return True
        case "act" | "say":
            return "mutes" not in tie
        case "act on posts":
            return not tie & {"mutes", "mutes_posts"}
        case "feed":
            return "follows" in tie and not tie & {"mutes", "mutes_posts"}
        case "private":
            return False
    raise LookupError(f"there is no rule for {what}")
