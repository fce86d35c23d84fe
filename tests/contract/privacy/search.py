"""Search: posts, users and rooms by the token that all have in common, and by what one post alone has; suggestions."""

from typing import Any

from tests.contract.privacy import moderation
from tests.contract.privacy.explore import public_posts
from tests.contract.privacy.rows import CallRow, Cell
from tests.contract.privacy.world import ACCOUNTS, HOST, SHARER, VIEWERS, Thing, Things, World

_ALL = (*VIEWERS, HOST)
_UNINDEXED = (".limited", ".held", ".removed")  # nobody finds these posts and rooms
_MUTES = {"mutes", "mutes_posts", "mutes_stories"}


def _posts(world: World, viewer: str) -> list[Cell]:
    """Not those of people whom the viewer has muted."""
    posts = [post for post in world.of_kind("post", _ALL) if _is_found(world, viewer, post)]
    also = world.shown(viewer, world.of_kind("share", [SHARER]))
    indexed = [post for post in posts if not post.name.endswith(_UNINDEXED)]
    also |= world.shown(viewer, posts)
    return [Cell({"q": world.common_token, "kind": "post", "limit": 100}, world.shown(viewer, indexed), also=also)]


def _is_found(world: World, viewer: str, post: Thing) -> bool:
    return world.may(viewer, post.owner, "act on posts") and moderation.lists_show(world, viewer, post)


def _of_accounts(world: World) -> list[Thing]:
    return [post for post in world.of_kind("post", ACCOUNTS) if not post.is_deleted]


def _words(world: World, viewer: str) -> list[Cell]:
    """A word that one post has finds it or nothing; with a second word that others have, also others."""
    found = []
    for post in _of_accounts(world):
        shows = world.shown(viewer, [post] if _is_found(world, viewer, post) else [])
        unindexed = post.name.endswith(_UNINDEXED)
        cell = Cell({"q": world.word_of(post.name), "kind": "post"}, () if unindexed else shows, also=shows)
        found.append(cell)
    [everything] = _posts(world, viewer)
    hidden = world.word_of("open.private")
    also = {*everything.shows, *everything.also}
    return [*found, Cell({"q": f"{hidden} {world.word_of('square')}", "kind": "post"}, also=also)]


def _hashtags(world: World, viewer: str) -> list[Cell]:
    """A hashtag is found if one of its public posts is."""
    public = {post for post in public_posts(world, viewer) if world.sees(viewer, post)}
    return [
        Cell({"q": f"#{world.tag_of(post.name)}", "kind": "hashtag"}, {post} & public, also=public)
        for post in _of_accounts(world)
        if post.name.endswith((".public", ".followers"))
    ]


def _tagged(world: World, answer: Any, arguments: dict[str, Any]) -> Things:
    """The posts that have the hashtags."""
    names = {item["hashtag"]["name"] for item in answer["items"]}
    return frozenset(post for post in world.of_kind("post", _ALL) if world.tag_of(post.name) in names)


def _users(world: World, viewer: str) -> list[Cell]:
    """A private account is found, a block in either direction hides."""
    users = [world.user(name) for name in (*_ALL, SHARER) if world.may(viewer, name, "contact")]
    return [Cell({"q": world.common_token, "kind": "user", "limit": 100}, users)]


def _rooms(world: World, viewer: str) -> list[Cell]:
    rooms = [*world.of_kind("room", _ALL), *world.of_kind("ended room", _ALL)]
    rooms = [room for room in rooms if not room.name.endswith(_UNINDEXED)]
    return [Cell({"q": world.common_token, "kind": "room", "limit": 100}, world.shown(viewer, rooms))]


def _everything(world: World, viewer: str) -> list[Cell]:
    """All that is shown of everything may be seen."""
    cells = [cell for of_kind in (_posts, _users, _rooms) for cell in of_kind(world, viewer)]
    also = {thing for cell in cells for thing in (*cell.shows, *cell.also)}
    return [Cell({"q": world.common_token, "limit": 100}, also=also)]


def _suggestions(world: World, viewer: str) -> list[Cell]:
    """Not people whom the viewer has muted in any way."""
    found = []
    for account in ACCOUNTS:
        may = world.may(viewer, account, "contact") and not world.tie(viewer, account) & _MUTES
        found.append(Cell({"q": world.token(account)}, [world.user(account)] if may else []))
    return found


CALLS = {
    "search.query of posts": CallRow(_posts),
    "search.query of users": CallRow(_users),
    "search.query of words": CallRow(_words),
    "search.query of hashtags": CallRow(_hashtags, reads=_tagged),
    "search.query of rooms": CallRow(_rooms),
    "search.query": CallRow(_everything),
    "search.suggest": CallRow(_suggestions),
}
