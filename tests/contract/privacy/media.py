"""Files: one in each post of the accounts, one that nothing uses. Who sees what uses a file sees it."""

from typing import Any

from tests.contract.privacy.rows import CallRow, Cell, Cells, opens
from tests.contract.privacy.world import ACCOUNTS, Thing, World
from tests.uploads import png, upload


async def make(world: World) -> None:
    for account in ACCOUNTS:
        unused = await _upload(world, f"{account}.file", account, ())
        unused.only = frozenset({account})
        for post in world.of_kind("post", [account]):
            if not post.is_deleted:
                await _add_to(world, post)


async def _add_to(world: World, post: Thing) -> None:
    file = await _upload(world, f"{post.name}.file", post.owner, post.conditions)
    connection = await world.cluster.as_app(world.user(post.owner).id)
    try:
        used = await connection.fetchval("SELECT use_media($1, 'post', $2)", [int(file.id)], int(post.id))
    finally:
        await connection.close()
    assert used == []


async def _upload(world: World, name: str, owner: str, conditions: tuple[tuple[str, str], ...]) -> Thing:
    file = await upload(world.people[owner], png(100), alt=world.token(name))
    return world.add(Thing("file", name, file["id"], owner, conditions))


def _each_file(world: World, viewer: str) -> list[Cell]:
    return [opens(world, viewer, file, {"media_id": file.id}) for file in world.of_kind("file")]


def _foreign_files(**more: Any) -> Cells:
    """Only its owner goes on with an upload, or ends it."""

    def cells(world: World, viewer: str) -> list[Cell]:
        others = [file for file in world.of_kind("file") if file.owner != viewer]
        return [Cell({"media_id": file.id, **more}, refused="NOT_FOUND") for file in others]

    return cells


CALLS = {
    "media.abort_upload": CallRow(_foreign_files()),
    "media.complete_upload": CallRow(_foreign_files()),
    "media.get": CallRow(_each_file),
    "media.parts": CallRow(_foreign_files()),
    "media.renew_upload": CallRow(_foreign_files(part_numbers=[1])),
}
