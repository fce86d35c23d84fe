"""Hashtag pages, trending posts, and people whom the viewer may know."""

from tests.contract.privacy import moderation
from tests.contract.privacy.relations import RELATIONS
from tests.contract.privacy.rows import CallRow, Cell
from tests.contract.privacy.world import ACCOUNTS, HOST, SHARER, VIEWERS, Thing, World

_MUTES = {"mutes", "mutes_posts", "mutes_stories"}


def public_posts(world: World, viewer: str) -> list[Thing]:
    """Public posts that lists show to the viewer."""
    posts = [post for post in world.of_kind("post", (*VIEWERS, HOST)) if post.conditions == ((post.owner, "public"),)]
    posts = [post for post in posts if moderation.lists_show(world, viewer, post)]
    return [post for post in posts if world.may(viewer, post.owner, "act on posts")]


def _hashtags(world: World, viewer: str) -> list[Cell]:
    posts = public_posts(world, viewer)
    also = world.shown(viewer, posts)
    # A limited post has left the page, for its author too.
    shows = world.shown(viewer, [post for post in posts if post.found_by != "followers"])
    return [Cell({"tag": world.tag, "mode": mode, "limit": 100}, shows, also=also) for mode in ("latest", "top")]


def _follows(world: World, one: str, other: str) -> bool:
    return "follows" in world.tie(one, other)


def _suggested(world: World, viewer: str) -> set[str]:
    """Users whom a followed user follows, or who follow the viewer."""
    users = {*RELATIONS, *ACCOUNTS, SHARER} - {viewer}
    found = set()
    for user in users:
        tie = world.tie(viewer, user)
        through = any(_follows(world, viewer, each) and _follows(world, each, user) for each in users - {user})
        known = _follows(world, user, viewer) or (through and user != "private")
        if known and not tie & {"follows", "requested", "blocks", "blocked", *_MUTES}:
            found.add(user)
    return found


def _people(world: World, viewer: str) -> list[Cell]:
    """Other rows of the matrix mute and dismiss the accounts, which may be missing then."""
    users = {name: world.user(name) for name in _suggested(world, viewer)}
    shows = [user for name, user in users.items() if name not in ACCOUNTS]
    return [Cell({"limit": 50}, shows, also=users.values())]


def _page(world: World, viewer: str) -> list[Cell]:
    """At most ten people; and of the posts, only those of open accounts, and not the viewer's own."""
    posts = [post for post in public_posts(world, viewer) if post.owner not in (viewer, "private")]
    wanted = [post for post in posts if post.name in ("square", "open.public")]
    also = {*world.shown(viewer, posts), *(world.user(name) for name in _suggested(world, viewer))}
    return [Cell({}, world.shown(viewer, wanted), also=also)]


def _dismissals(world: World, viewer: str) -> list[Cell]:
    if viewer in ACCOUNTS:
        return []
    users = {account: world.user(account) for account in ACCOUNTS}
    return [
        Cell({"user_id": user.id}, refused=None if world.may(viewer, account, "profile") else "NOT_FOUND")
        for account, user in users.items()
    ]


async def hashtag_counts(world: World, viewer: str) -> tuple[int, int]:
    """The number of posts that the page of the hashtag tells, and that it lists."""
    call = world.people[viewer].call
    listed = await call("hashtag.posts", tag=world.tag, limit=100)
    return (await call("hashtag.get", tag=world.tag))["post_count"], len(listed["items"])


CALLS = {
    "explore.dismiss_person": CallRow(_dismissals),
    "explore.get": CallRow(_page),
    "explore.people": CallRow(_people),
    "hashtag.posts": CallRow(_hashtags),
}
