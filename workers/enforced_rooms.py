"""Live rooms that moderation withholds: those inside leave, and nobody finds them."""

from domain import search_documents
from storage import enforcement, search
from workers.job import Job


async def settle(job: Job, room_id: int) -> None:
    """Take users out who may not see the room, and the room out of search, or back.

    A room that is held or removed has ended: an event of its own tells those inside.
    """
    async with job.tools.database.transaction() as tx:
        room = await enforcement.room(tx, room_id)
    if room is None:
        return
    if not room["ended"]:  # else those inside would leave before they are told that it ended
        await job.tools.broadcaster.close(room["owner_id"], "live")
    found = await search.rooms_to_index(job.tools.database, [room_id])
    if found:
        await job.tools.search.write([search_documents.of_room(room) for room in found], read_at=job.began_at)
    else:
        await job.tools.search.remove("room", [room_id], read_at=job.began_at)
