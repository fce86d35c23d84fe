"""Files that users have uploaded."""

from handlers.call import Call
from protocol import errors
from protocol.media import Media, MediaRef, UpdateMedia
from protocol.rpc import methods
from storage import media
from storage.database import Transaction
from storage.media import MediaRow


@methods.rpc("media.get", reads=True)
async def get_media(call: Call, request: MediaRef, tx: Transaction) -> Media:
    """A file with new URLs: of the caller, or used in something that the caller may see."""
    file = await media.load(tx, int(request.media_id))
    if file is None or (file["target_type"] is None and file["owner_id"] != call.viewer.id):
        raise errors.not_found("media")
    return present(call, file)


@methods.rpc("media.update")
async def update_media(call: Call, request: UpdateMedia, tx: Transaction) -> Media:
    """Change the description of the caller's own file. Repeating it changes nothing."""
    file = await media.describe(tx, int(request.media_id), request.alt, request.is_sensitive)
    if file is None:
        raise errors.not_found("media")
    return present(call, file)


async def own_file(call: Call, media_id: str) -> MediaRow:
    """Raises NOT_FOUND for a file that is not the caller's."""
    async with call.services.database.transaction(call.viewer.id, budget=call.budget) as tx:
        file = await media.load_own(tx, int(media_id), call.viewer.id)
    if file is None:
        raise errors.not_found("media")
    return file


def present(call: Call, file: MediaRow) -> Media:
    """The file as the caller sees it."""
    return call.services.media.media(file, call.viewer.id)
