"""Comments: on the accounts' own posts, and on the post in which all meet.

A comment of a user whom the viewer hides keeps its place in the tree if it has replies, without author and text.
"""

from typing import Any

from tests.contract.privacy import moderation
from tests.contract.privacy.rows import CallRow, Cell, PushRow, Told, opens, told
from tests.contract.privacy.world import ACCOUNTS, HOST, Thing, Things, World


async def make(world: World) -> None:
    """Comments of the accounts, of which one is deleted, and replies of the host to those on the host's post."""
    for account in ACCOUNTS:
        for post in _commented(world, account):
            comment = await write(world, account, post, f"{post.name}.{account}.comment")
            if post.owner == HOST:
                for word in (*moderation.DECIDED, *moderation.UNDONE):
                    await write(world, account, post, f"{account}.comment.{word}")
                await write(world, HOST, post, f"{account}.answered", parent=comment)
                await _delete(world, await write(world, account, post, f"{account}.took_back"))


def _commented(world: World, account: str) -> list[Thing]:
    posts = [*world.of_kind("post", [account]), world.place("post")]
    return [post for post in posts if not post.is_deleted]


async def write(world: World, author: str, post: Thing, name: str, *, parent: Thing | None = None) -> Thing:
    """A new comment."""
    arguments = {"post_id": post.id, "text": world.token(name), "parent_id": parent and parent.id}
    comment = await world.people[author].call("comment.create", **arguments)
    conditions = (*post.conditions, (author, "contact"))
    thing = Thing("comment", name, comment["id"], author, conditions, ((world.user(author), "profile"),))
    thing.part_of = post
    return world.add(thing)


async def _delete(world: World, comment: Thing) -> None:
    await world.people[comment.owner].call("comment.delete", comment_id=comment.id)
    comment.is_deleted = True


def _comments(world: World, viewer: str) -> list[Cell]:
    return [opens(world, viewer, comment, {"comment_id": comment.id}) for comment in world.of_kind("comment")]


def _lists(world: World, viewer: str) -> list[Cell]:
    cells = []
    for post in world.of_kind("post"):
        shows = [
            comment
            for comment in world.of_kind("comment")
            if comment.part_of is post
            and world.may(viewer, comment.owner, "act")
            and (comment.found_by != "nobody" or comment.owner == viewer)
        ]
        cell = opens(world, viewer, post, {"post_id": post.id, "limit": 100})
        cells.append(cell._replace(shows=world.shown(viewer, shows)))
    return cells


def _written(world: World, page: Any, arguments: dict[str, Any]) -> Things:
    """The comments that a page shows with their text."""
    return world.read([_place_left_out(item) for item in page["items"] if not item["deleted"]])


def _read_one(world: World, comment: Any, arguments: dict[str, Any]) -> Things:
    return world.read(_place_left_out(comment))


def _place_left_out(comment: Any) -> Any:
    """A reply names the comment above it even if the viewer sees only that comment's place."""
    return {**comment, "post_id": None, "parent_id": None}


def _replies(world: World, viewer: str) -> list[Cell]:
    """The accounts let nobody comment on their posts. Nobody replies to what they do not see."""
    on_posts = [
        opens(world, viewer, post, {"post_id": post.id, "text": "hello"}, then="PERMISSION_DENIED")
        for post in world.of_kind("post", ACCOUNTS)
        if post.owner != viewer
    ]
    hidden = [comment for comment in world.of_kind("comment") if not world.sees(viewer, comment)]
    return on_posts + [
        Cell({"post_id": comment.part_of.id, "parent_id": comment.id, "text": "hello"}, refused="NOT_FOUND")
        for comment in hidden
        if comment.part_of
    ]


def _foreign(**more: Any) -> Any:
    def cells(world: World, viewer: str) -> list[Cell]:
        return [
            Cell({"comment_id": comment.id, **more}, refused="NOT_FOUND")
            for comment in world.of_kind("comment")
            if viewer not in (comment.owner, comment.part_of and comment.part_of.owner)
        ]

    return cells


async def _write_new(world: World) -> list[Thing]:
    return [
        await write(world, account, post, world.new_name(account, "comment"))
        for account in ACCOUNTS
        for post in _commented(world, account)
    ]


def _heard(world: World, comment: Thing, *things: Thing) -> Told:
    """Users who watch the post and see the comment hear of it, unless they hide its author's posts."""
    assert comment.part_of
    viewers = world.audience(*comment.conditions, (comment.owner, "act on posts"))
    return told(viewers, comment, comment.part_of, *things)


async def _created(world: World) -> list[Told]:
    return [_heard(world, comment, world.user(comment.owner)) for comment in await _write_new(world)]


async def _edited(world: World) -> list[Told]:
    found = []
    for comment in [each for each in world.of_kind("comment", ACCOUNTS) if not each.is_deleted]:
        text = f"{world.token(comment.name)} again {len(found)}"
        await world.people[comment.owner].call("comment.edit", comment_id=comment.id, text=text)
        found.append(_heard(world, comment, world.user(comment.owner), *world.files_in(comment)))
    return found


async def _deleted(world: World) -> list[Told]:
    comments = await _write_new(world)
    await _delete_new(world)
    return [_heard(world, comment) for comment in comments]


async def _delete_new(world: World) -> None:
    for comment in world.of_kind("comment", ACCOUNTS):
        if ".new" in comment.name and not comment.is_deleted:
            await _delete(world, comment)


CALLS = {
    "comment.create": CallRow(_replies),
    "comment.delete": CallRow(_foreign()),
    "comment.edit": CallRow(_foreign(text="mine")),
    "comment.get": CallRow(_comments, reads=_read_one),
    "comment.list": CallRow(_lists, reads=_written),
}
PUSHES = {
    "comment.created": PushRow(_created, restore=_delete_new),
    "comment.deleted": PushRow(_deleted),
    "comment.edited": PushRow(_edited),
}
