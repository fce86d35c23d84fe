"""Posts, the feed, and typing, which posts and live rooms have in common."""

import asyncio
from typing import Any

from tests.contract.privacy import moderation
from tests.contract.privacy.explore import public_posts
from tests.contract.privacy.rows import CallRow, Cell, Cells, PushRow, Told, opens, told
from tests.contract.privacy.world import ACCOUNTS, HOST, SHARER, VIEWERS, VISIBILITIES, Thing, World

# A mention puts a public post of an open account into a feed, and opens nothing. These users block nobody: the push of
# an edit would leave out those who do.
MENTIONED = ("stranger", "requester", "member", "mutes", "mutes_posts", "muted", "unfollowed")


async def make(world: World) -> None:
    """Posts of each visibility, deleted ones, and the post in which all meet."""
    await asyncio.gather(*(_make_posts(world, account) for account in ACCOUNTS))
    await world.publish(HOST, "public", "square", mentions=ACCOUNTS)


async def _make_posts(world: World, account: str) -> None:
    for visibility in VISIBILITIES:
        await world.publish(account, visibility, f"{account}.{visibility}", mentions=MENTIONED)
    for name in (*moderation.names(account), f"{account}.album"):
        await world.publish(account, "public", name, mentions=MENTIONED)
    for visibility in VISIBILITIES[:2]:
        await world.delete_post(await world.publish(account, visibility, f"{account}.{visibility}.deleted"))


async def watch(world: World) -> None:
    """Let all watch all posts that they may see. A viewer who unfollows an account must do so again."""
    posts = world.of_kind("post")
    watched = {viewer: [{"post_id": post.id} for post in posts if world.sees(viewer, post)] for viewer in VIEWERS}
    await world.everybody_may("post.watch", watched)


def _each_post(world: World, viewer: str) -> list[Cell]:
    return [opens(world, viewer, post, {"post_id": post.id}) for post in world.of_kind("post")]


def _foreign_posts(**more: Any) -> Cells:
    def cells(world: World, viewer: str) -> list[Cell]:
        others = [post for post in world.of_kind("post") if post.owner != viewer]
        return [Cell({"post_id": post.id, **more}, refused="NOT_FOUND") for post in others]

    return cells


def _posts_of_accounts(world: World, viewer: str) -> list[Cell]:
    """A member of a circle who may not see the list may still see single posts."""
    found = []
    for account in ACCOUNTS:
        arguments = {"user_id": world.user(account).id, "limit": 100}
        posts = world.of_kind("post", [account]) if world.may(viewer, account, "lists") else []
        posts = [post for post in posts if post.found_by != "nobody" or viewer == account]
        if world.may(viewer, account, "profile"):
            found.append(Cell(arguments, world.shown(viewer, posts)))
        else:
            found.append(Cell(arguments, refused="NOT_FOUND"))
    return found


def _mentions(world: World, viewer: str) -> list[Cell]:
    if viewer in ACCOUNTS:
        return []
    shows = [world.user(name) for name in (*ACCOUNTS, viewer) if world.may(viewer, name, "contact")]
    text = " ".join(f"@{world.token(account)}" for account in ACCOUNTS)
    return [Cell({"text": text, "visibility": "private"}, shows)]


def _feeds(world: World, viewer: str) -> list[Cell]:
    """A feed may also show shares, and if it was rebuilt, posts for a circle that mention the viewer.

    No latest feed shows strangers. A ranked one may also recommend what is open to all: see `recommendations`.
    """
    posts = [post for post in world.of_kind("post", (*VIEWERS, HOST)) if viewer in _in_feeds(world, post)]
    others = [
        post for post in world.of_kind("post") if post.found_by == "all" and _mentions_listener(world, viewer, post)
    ]
    also = world.shown(viewer, others + world.of_kind("share", [SHARER]))
    recommended = [post for post in public_posts(world, viewer) if post.owner not in (viewer, "private")]
    of_followed = [post for post in posts if viewer in _in_followers_feeds(world, post)]
    also_latest = world.shown(viewer, [post for post in others if viewer in _in_followers_feeds(world, post)])
    also_latest |= world.shown(viewer, world.of_kind("share", [SHARER]))
    return [
        Cell({"mode": "latest", "limit": 100}, world.shown(viewer, of_followed), also=also_latest),
        Cell(
            {"mode": "ranked", "limit": 100}, world.shown(viewer, posts), also=also | world.shown(viewer, recommended)
        ),
    ]


def _mentions_listener(world: World, viewer: str, post: Thing) -> bool:
    names = [user.owner for user in world.mentioned_in(post)]
    return viewer in names and world.may(viewer, post.owner, "act on posts")


def _hidden_places(world: World, viewer: str) -> list[Cell]:
    posts, rooms = world.of_kind("post"), world.of_kind("room")
    hidden = [{f"{thing.kind}_id": thing.id} for thing in (*posts, *rooms) if not world.sees(viewer, thing)]
    return [Cell(arguments, refused="FAILED_PRECONDITION") for arguments in hidden]


def _why(world: World, viewer: str) -> list[Cell]:
    """It tells of the viewer's own ties, and shows nothing else."""
    return [cell._replace(shows=()) for cell in _each_post(world, viewer)]


def _hides(world: World, viewer: str) -> list[Cell]:
    return [cell._replace(arguments={**cell.arguments, "reason": "author"}) for cell in _why(world, viewer)]


async def _forget_hides(world: World) -> None:
    await world.everybody("feed.reset", {viewer: [{}] for viewer in VIEWERS})


async def _publish(world: World) -> list[Thing]:
    return [
        await world.publish(account, visibility, world.new_name(account, visibility), mentions=MENTIONED)
        for account in ACCOUNTS
        for visibility in VISIBILITIES
    ]


def _published(world: World) -> list[Thing]:
    """The posts of the accounts, without deleted ones."""
    return [post for post in world.of_kind("post", ACCOUNTS) if not post.is_deleted]


def _watchers(world: World, post: Thing, actor: str) -> set[str]:
    """Viewers who watch the post and may hear what the actor does there."""
    return world.audience(*post.conditions, (actor, "act on posts"))


def _in_followers_feeds(world: World, post: Thing) -> set[str]:
    return set() if post.found_by == "nobody" else world.audience(*post.conditions, (post.owner, "feed"))


def _in_feeds(world: World, post: Thing) -> set[str]:
    """The users whose feeds show the post: those who follow its author, and those whom it mentions."""
    if post.found_by == "nobody":
        return set()
    followers = _in_followers_feeds(world, post)
    if post.found_by == "followers":
        return followers
    is_open = post.conditions == ((post.owner, "public"),) and post.owner != "private"
    mentioned = {user.owner for user in world.mentioned_in(post)} if is_open else set()
    return followers | mentioned & world.audience(*post.conditions, (post.owner, "act on posts"))


async def _added(world: World) -> list[Told]:
    return [told(_in_feeds(world, post), post, world.user(post.owner)) for post in await _publish(world)]


async def _remove_new_posts(world: World) -> None:
    for post in _published(world):
        if ".new" in post.name:
            await world.delete_post(post)


async def _removed(world: World) -> list[Told]:
    posts = await _publish(world)
    await world.cluster.settle()
    await _remove_new_posts(world)
    return [told(_in_feeds(world, post), post) for post in posts]


async def _edited(world: World) -> list[Told]:
    found = []
    for post in _published(world):
        author = world.people[post.owner]
        version = (await author.call("post.get", post_id=post.id))["version"]
        mentioned = world.mentioned_in(post)
        text = f"{world.text(post.name, [user.name for user in mentioned])} again"
        await author.call("post.edit", post_id=post.id, version=version, text=text)
        shows = (post, world.user(post.owner), *mentioned, *moderation.shown_files(world, post))
        found.append(told(_watchers(world, post, post.owner), *shows))
    return found


async def _deleted(world: World) -> list[Told]:
    posts = await _publish(world)
    await watch(world)
    await _remove_new_posts(world)
    return [told(_watchers(world, post, post.owner), post) for post in posts]


async def _typing(world: World) -> list[Told]:
    """In the accounts' own posts, in the post that all see, and in the room where all are.

    Nobody types in more than 5 places at once, so posts that are decided about are left out.
    """
    found = []
    square, hall = world.place("post"), world.place("room")
    for account in ACCOUNTS:
        own = (world.things[world.token(f"{account}.{visibility}")] for visibility in VISIBILITIES)
        posts = [post for post in own if world.sees("inner", post)]
        actor, person = world.user(account), world.people[account]
        for post in (square, *posts):
            await person.call("typing.start", post_id=post.id)
            found.append(told(_watchers(world, post, account), actor, post))
        await person.call("typing.start", room_id=hall.id)
        found.append(told(world.audience((account, "act")), actor, hall))
    return found


async def _stop_typing(world: World) -> None:
    things = [{f"{thing.kind}_id": thing.id} for thing in (*world.of_kind("post"), world.place("room"))]
    await world.everybody("typing.stop", dict.fromkeys(ACCOUNTS, things))


CALLS = {
    "feed.get": CallRow(_feeds),
    "feed.hide": CallRow(_hides, restore=_forget_hides),
    "feed.why": CallRow(_why),
    "post.create": CallRow(_mentions),
    "post.delete": CallRow(_foreign_posts()),
    "post.edit": CallRow(_foreign_posts(version=1, text="mine")),
    "post.get": CallRow(_each_post),
    "post.list": CallRow(_posts_of_accounts),
    "post.watch": CallRow(_each_post),
    "typing.start": CallRow(_hidden_places),
    "typing.stop": CallRow(_hidden_places),
}
PUSHES = {
    "feed.added": PushRow(_added, restore=_remove_new_posts),
    "feed.removed": PushRow(_removed),
    "post.deleted": PushRow(_deleted),
    "post.edited": PushRow(_edited),
    "typing.changed": PushRow(_typing, restore=_stop_typing),
}
