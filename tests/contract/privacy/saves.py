"""Saves, collections, shares and counts: all users save all posts that they see, before relations change and since."""

from typing import Any

from tests.contract.privacy.rows import CallRow, Cell, Cells, PushRow, Told, opens, told
from tests.contract.privacy.world import ACCOUNTS, SHARER, VIEWERS, Thing, World


async def make(world: World) -> None:
    """A collection of each account, and a share of a post with a text and one without."""
    for account in ACCOUNTS:
        name = f"{account}.collection"
        collection = await world.people[account].call("collection.create", name=world.token(name))
        world.add(Thing("collection", name, collection["id"], account, ())).only = frozenset({account})
    shared = world.things[world.token("open.public")]
    for name, text in (("share", None), ("comment_on_share", world.token("comment_on_share"))):
        share = await world.people[SHARER].call("share.create", post_id=shared.id, text=text)
        shows = ((world.user(SHARER), "profile"), (shared, "contact"))
        world.add(Thing("share", name, share["id"], SHARER, ((SHARER, "public"),), shows))


async def save(world: World) -> None:
    posts = world.of_kind("post")
    seen = {viewer: [{"post_id": post.id} for post in posts if world.sees(viewer, post)] for viewer in VIEWERS}
    await world.everybody_may("save.add", seen)


def _saves(world: World, viewer: str) -> list[Cell]:
    posts = [opens(world, viewer, post, {"post_id": post.id}) for post in world.of_kind("post")]
    return [cell._replace(shows=()) for cell in posts] + _collections(post_id=world.place("post").id)(world, viewer)


def _lists(world: World, viewer: str) -> list[Cell]:
    return [Cell({"limit": 100}, world.shown(viewer, world.of_kind("post"))), *_collections()(world, viewer)]


def _collections(**more: Any) -> Cells:
    """Calls about collections of others."""

    def cells(world: World, viewer: str) -> list[Cell]:
        others = [collection for collection in world.of_kind("collection") if collection.owner != viewer]
        return [Cell({"collection_id": collection.id, **more}, refused="NOT_FOUND") for collection in others]

    return cells


def _own_collections(world: World, viewer: str) -> list[Cell]:
    return [Cell({"limit": 100}, world.shown(viewer, world.of_kind("collection")))]


def _shares(world: World, viewer: str) -> list[Cell]:
    """Only posts that all may see can be shared."""
    posts = [post for post in world.of_kind("post", ACCOUNTS) if post.conditions != (("open", "public"),)]
    # Authors do not know what is shadowed, so they may share it.
    posts = [post for post in posts if not (post.name == "open.public.shadowed" and viewer == "open")]
    public = [post for post in world.of_kind("post", ACCOUNTS) if post not in posts and not world.sees(viewer, post)]
    posts += [post for post in world.of_kind("post", ["open"]) if post.found_by == "followers" and viewer != "open"]
    shared = [opens(world, viewer, post, {"post_id": post.id}, then="FAILED_PRECONDITION") for post in posts]
    return shared + [Cell({"post_id": post.id}, refused="NOT_FOUND") for post in public]


def _each_share(world: World, viewer: str) -> list[Cell]:
    """A share shows the post to those who may see it, and itself to all."""
    shares = world.of_kind("share", [SHARER])
    return [Cell({"post_id": share.id}, world.shown(viewer, [share]) - {share}, also=[share]) for share in shares]


def _list_of_shares(world: World, viewer: str) -> list[Cell]:
    shares = world.of_kind("share", [SHARER])
    return [Cell({"user_id": world.user(SHARER).id, "limit": 100}, world.shown(viewer, shares))]


async def _react(world: World, kind: str, reaction: str) -> list[Thing]:
    """The accounts react to their own things and to those of the host."""
    targets = [target for target in world.of_kind(kind) if not target.is_deleted]
    for account in ACCOUNTS:
        for target in targets:
            if world.sees(account, target):
                arguments = {"target_type": kind, "target_id": target.id, "kind": reaction}
                await world.people[account].call("reaction.set", **arguments)
    return targets


async def _posts_counted(world: World) -> list[Told]:
    return [told(world.audience(*post.conditions), post) for post in await _react(world, "post", "love")]


async def _comments_counted(world: World) -> list[Told]:
    """A comment that is hidden from a user is not named to them either."""
    return [
        told(world.audience(*comment.conditions, (comment.owner, "act on posts")), comment, comment.part_of)
        for comment in await _react(world, "comment", "love")
        if comment.part_of
    ]


async def _react_as_before(world: World) -> None:
    for kind in ("post", "comment"):
        await _react(world, kind, "like")


CALLS = {
    "collection.delete": CallRow(_collections()),
    "collection.list": CallRow(_own_collections),
    "collection.update": CallRow(_collections(name="mine")),
    "post.get of shares": CallRow(_each_share),
    "post.list of shares": CallRow(_list_of_shares),
    "post.watch of shares": CallRow(_each_share),
    "save.add": CallRow(_saves),
    "save.list": CallRow(_lists),
    "share.create": CallRow(_shares),
}
PUSHES = {
    "comment.counted": PushRow(_comments_counted, restore=_react_as_before),
    "post.counted": PushRow(_posts_counted, restore=_react_as_before),
}
