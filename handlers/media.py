"""Files that users have uploaded."""

from handlers.call import Call
from protocol import errors
from protocol.media import Media, MediaError, MediaRef, ShownVariant
from protocol.rpc import methods
from protocol.timestamps import to_wire
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


async def own_file(call: Call, media_id: str) -> MediaRow:
    """Raises NOT_FOUND for a file that is not the caller's."""
    async with call.services.database.transaction(call.viewer.id, share=call.share) as tx:
        file = await media.load_own(tx, int(media_id), call.viewer.id)
    if file is None:
        raise errors.not_found("media")
    return file


def present(call: Call, file: MediaRow) -> Media:
    is_ready, urls = file["status"] == "ready", call.services.object_urls
    variants = file["variants"] if is_ready else []
    poster = next((each for each in variants if each["name"] == "poster"), None)
    return Media(
        id=str(file["id"]),
        kind=file["kind"],
        status=file["status"],
        alt=file["alt"],
        is_sensitive=file["is_sensitive"],
        width=file["width"],
        height=file["height"],
        duration_ms=file["duration_ms"],
        blurhash=file["blurhash"],
        waveform=file["waveform"] or [],
        variants=[
            ShownVariant(
                each["name"],
                each["content_type"],
                urls.read_url(file["object_key"] + each["file"]),
                each["width"],
                each["height"],
            )
            for each in variants
            if each["name"] not in ("poster", "hls")
        ],
        hls_url=None,
        poster_url=urls.read_url(file["object_key"] + poster["file"]) if poster else None,
        urls_expire_at=to_wire(urls.reads_expire_at()) if is_ready else None,
        error=MediaError(file["error_code"], file["error_text"] or "") if file["error_code"] else None,
    )
