"""Live rooms that moderation withholds or labels: users leave who may not see them; and messages in rooms."""

from domain import search_documents
from stage import view
from storage import enforcement, search
from workers.job import Job
from workers.live_rooms import take_message_back


async def settle(job: Job, room_id: int) -> None:
    """Take users out who may not see the room, push it to the others, and take it out of search, or back.

    A room that is held or removed has ended: a separate event pushes this to users inside.
    """
    async with job.tools.database.transaction() as tx:
        room = await enforcement.room(tx, room_id)
    if room is None:
        return
    if not room["ended"]:  # else users inside would leave before the push that it ended
        tools = job.tools
        await tools.broadcaster.close(room["owner_id"], "live")
        await view.publish(tools.database, tools.roster, tools.broadcaster, room_id, str(job.event_id))
    found = await search.rooms_to_index(job.tools.database, [room_id])
    if found:
        await job.tools.search.write([search_documents.of_room(room) for room in found], read_at=job.began_at)
    else:
        await job.tools.search.remove("room", [room_id], read_at=job.began_at)


async def settle_message(job: Job, message_id: int, decision_id: int) -> None:
    """Take a message that was removed away from those inside. One that is back is in the room's list of messages."""
    async with job.tools.database.transaction() as tx:
        message = await enforcement.room_message(tx, message_id)
    if message is not None and message["is_removed"]:
        await take_message_back(job, message["room_id"], message_id, message["sender_id"], cause=f":{decision_id}")
