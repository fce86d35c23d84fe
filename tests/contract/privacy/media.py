"""Files: in the posts, comments and messages of the accounts, and one of each account that nothing uses.

Who sees what uses a file sees the file, there and by itself, and no one else opens it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from protocol.media import MediaFailed, MediaReady, MediaUpdated
from storage import media
from tests.contract.privacy import moderation
from tests.contract.privacy.rows import CallRow, Cell, Cells, PushRow, Told, opens, told
from tests.contract.privacy.world import ACCOUNTS, VIEWERS, Thing, World
from tests.media_files import add_file, fetch
from workers.media_pushes import MediaPush, push_media


async def make(world: World) -> None:
    for account in ACCOUNTS:
        unused = await _add(world, f"{account}.file", account, ())
        unused.only = frozenset({account})
        for kind in ("post", "comment", "chat message"):
            for target in world.of_kind(kind, [account]):
                if not target.is_deleted:
                    await _use(world, target)


async def _use(world: World, target: Thing) -> None:
    words = moderation.WITHHELD_OR_NOT if target.name.endswith(".album") else ("file",)
    files = [await _add(world, f"{target.name}.{word}", target.owner, target.conditions) for word in words]
    for file in files:
        file.only, file.part_of = target.only, target
        target.shows = (*target.shows, (file, target.shows[0][1]))  # to all to whom it names its author
    place = ("post", target.id, None) if target.kind == "post" else ("comment", target.id, None)
    if target.kind == "chat message":
        assert target.part_of
        place = ("message", target.part_of.id, target.number)
    connection = await world.cluster.as_app(world.user(target.owner).id)
    try:
        kind, target_id, seq = place
        ids = [int(file.id) for file in files]
        used = await connection.fetchval("SELECT use_media($1, $2, $3, $4)", ids, kind, int(target_id), seq)
    finally:
        await connection.close()
    assert used == []


async def _add(world: World, name: str, owner: str, conditions: tuple[tuple[str, str], ...]) -> Thing:
    """A ready video, or image if it is for a comment. Its URLs hold its id."""
    kind = "image" if ".comment" in name or ".took_back" in name else "video"
    file_id = await add_file(world.cluster, world.people[owner], kind, alt=world.token(name))
    return world.add(Thing("file", name, file_id, owner, conditions))


def _each_file(world: World, viewer: str) -> list[Cell]:
    return [opens(world, viewer, file, {"media_id": file.id}) for file in world.of_kind("file")]


def _foreign_files(**more: Any) -> Cells:
    """Only its owner describes a file, goes on with an upload, or ends it."""

    def cells(world: World, viewer: str) -> list[Cell]:
        others = [file for file in world.of_kind("file") if file.owner != viewer]
        return [Cell({"media_id": file.id, **more}, refused="NOT_FOUND") for file in others]

    return cells


def _pushed(push: MediaPush) -> Callable[[World], Awaitable[list[Told]]]:
    async def push_all(world: World) -> list[Told]:
        files = [file for file in world.of_kind("file") if not (file.part_of and file.part_of.is_deleted)]
        for file in files:
            async with world.cluster.worker_database.transaction() as tx:
                row = await media.load(tx, int(file.id))
            assert row is not None
            await push_media(world.cluster.workers.tools, row, push, cause=world.new_name("cause"))
        return [told(_hearing(world, file), file) for file in files]

    return push_all


def _hearing(world: World, file: Thing) -> set[str]:
    """The owner; users who watch the post or are in the chat, unless they hide the owner there; nobody in rooms."""
    target = file.part_of
    if target is None or target.kind in ("room", "ended room"):
        return {file.owner}
    if target.kind == "chat message":
        return {file.owner} | world.audience(*file.conditions, (file.owner, "act")) & (file.only or set())
    post = target if target.kind == "post" else target.part_of
    assert post
    return {file.owner} | world.audience(*post.conditions, *file.conditions, (file.owner, "act on posts"))


async def wrongly_opened(world: World) -> list[str]:
    """Ask for each film with a token of each viewer. Returns who got, or missed, what they should not."""
    tokens = world.cluster.node_a.parts.media_tokens
    films = [
        file
        for file in world.of_kind("file")
        if not file.is_deleted and ".comment" not in file.name and ".recording" not in file.name
    ]

    async def ask(viewer: str) -> list[str]:
        wrong = []
        for film in films:
            token = tokens.seal(int(film.id), int(world.user(viewer).id))
            status, _, _ = await fetch(f"{world.cluster.url()}/media/{token}/720_00000.m4s")
            if status != (302 if world.sees(viewer, film) else 404):
                wrong.append(f"{viewer} {film}: {status}")
        return wrong

    return [each for found in await asyncio.gather(*map(ask, VIEWERS)) for each in found]


CALLS = {
    "media.abort_upload": CallRow(_foreign_files()),
    "media.complete_upload": CallRow(_foreign_files()),
    "media.get": CallRow(_each_file),
    "media.parts": CallRow(_foreign_files()),
    "media.renew_upload": CallRow(_foreign_files(part_numbers=[1])),
    "media.update": CallRow(_foreign_files(alt="mine")),
}
PUSHES = {push.event: PushRow(_pushed(push)) for push in (MediaReady, MediaUpdated, MediaFailed)}
