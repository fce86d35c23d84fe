"""The use of media in posts, comments and messages, shared by handlers."""

from collections.abc import Sequence

import msgspec

from handlers.call import Call
from protocol import errors
from protocol.comments import Comment
from protocol.errors import CallError
from protocol.posts import Post, PostLite
from storage import media
from storage.database import Transaction
from storage.media import TargetKind


def check_not_empty(text: str, media_ids: Sequence[str] | None) -> None:
    """Raises INVALID_ARGUMENT for neither text nor media."""
    if not text and not media_ids:
        raise errors.invalid("text", "is empty")


async def check_stays_not_empty(tx: Transaction, text: str, target_type: TargetKind, target_id: int) -> None:
    """Raises INVALID_ARGUMENT for an edit that leaves neither text nor media."""
    if not text and not await media.of_targets(tx, target_type, [target_id]):
        raise errors.invalid("text", "is empty")


async def use_media(
    call: Call, tx: Transaction, media_ids: Sequence[str] | None, target_type: TargetKind, target_id: int
) -> None:
    """Use these files of the caller in what the caller has just written. Raises INVALID_ARGUMENT."""
    if media_ids:
        unusable = await media.use(tx, [int(media_id) for media_id in media_ids], target_type, target_id)
        if unusable:
            raise unusable_media(unusable[0])


async def renew_media(call: Call, answer: PostLite | Comment, tx: Transaction) -> PostLite | Comment:
    """The answer with its media as they are now: their earlier URLs may have expired."""
    target_type: TargetKind = "comment" if isinstance(answer, Comment) else "post"
    if isinstance(answer, Post) and answer.shared is not None:
        answer = msgspec.structs.replace(answer, shared=await renew_media(call, answer.shared, tx))
    if not answer.media:
        return answer
    files = await media.of_targets(tx, target_type, [int(answer.id)])
    return msgspec.structs.replace(answer, media=call.show_media(files.get((int(answer.id), None), [])))


def unusable_media(place: int) -> CallError:
    """place: in `media_ids`, from 0."""
    return errors.invalid(
        f"media_ids[{place}]", "is not a file of yours that is uploaded, fits here and is not used yet"
    )
