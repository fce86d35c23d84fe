"""Makes messages of rows."""

from collections.abc import Mapping
from datetime import datetime
from typing import TypeVar

import msgspec
import orjson

from protocol.comments import Comment, CommentForAll, ViewerOfComment
from protocol.counts import CommentCounted, Counts, PostCounted
from protocol.moderation import Label
from protocol.posts import Circle, Post, PostForAll, PostLite, ViewerOfPost, Visibility
from protocol.reactions import Reaction
from protocol.room_chat import RoomMessage
from protocol.saves import Collection, SavedPost
from protocol.timestamps import to_wire
from protocol.users import Governorate, OwnUser, Relation, User, UserLite
from storage.circles import CircleRow
from storage.collections import CollectionRow
from storage.comments import CommentRow
from storage.counts import CountedComment, CountedPost, CountsRow
from storage.live_rooms import StandingRow
from storage.media import ShownMediaRow
from storage.posts import PostRow
from storage.present_media import ShowMedia, decoded
from storage.reactions import ReactionRow
from storage.room_messages import MessageRow
from storage.saves import SavedRow
from storage.snowflakes import minted_at
from storage.users import LiteRow, ProfileRow

MessageT = TypeVar("MessageT", bound=msgspec.Struct)

_decode_users = msgspec.json.Decoder(list[UserLite]).decode


def user_lite(row: LiteRow, user_id: int) -> UserLite:
    return UserLite(
        id=str(user_id),
        username=row["username"],
        display_name=row["display_name"],
        avatar_url=row["avatar_url"],
        is_verified=row["is_verified"],
    )


def viewer_lite(standing: StandingRow) -> UserLite:
    return msgspec.json.decode(standing["viewer"], type=UserLite)


def user(row: ProfileRow) -> User:
    return User(
        id=str(row["id"]),
        username=row["username"],
        display_name=row["display_name"],
        avatar_url=row["avatar_url"],
        is_verified=row["is_verified"],
        bio=row["bio"],
        is_private=row["is_private"],
        follower_count=row["follower_count"],
        following_count=row["following_count"],
        post_count=row["post_count"],
        created_at=to_wire(row["created_at"]),
        viewer=Relation(
            follows=row["follows"],
            followed_by=row["followed_by"],
            requested=row["requested"],
            blocks=row["blocks"],
            mutes=row["mutes"],
        ),
    )


def own_user(row: ProfileRow, governorate: Governorate | None) -> OwnUser:
    return OwnUser(**msgspec.structs.asdict(user(row)), governorate=governorate)


class _Shared(msgspec.Struct, frozen=True):
    """The JSON of `PostRow.shared`."""

    id: int
    author: UserLite
    text: str
    hashtags: list[str]
    mentions: list[UserLite]
    visibility: Visibility
    labels: list[Label]
    version: int
    edited_at: datetime | None
    media: list[ShownMediaRow] | None


def post(row: PostRow, show: ShowMedia) -> Post:
    return Post(
        id=str(row["id"]),
        author=user_lite(row, row["author_id"]),
        text=row["text"],
        media=show(decoded(row["media"])),
        hashtags=row["hashtags"],
        mentions=_decode_users(row["mentions"]),
        visibility=row["chosen_visibility"] or row["visibility"],
        labels=row["labels"],
        version=row["version"],
        created_at=to_wire(minted_at(row["id"])),
        edited_at=optional_time(row["edited_at"]),
        counts=post_counts(row),
        counts_version=row["counts_version"],
        viewer=ViewerOfPost(reaction=row["reaction"], saved=row["saved"]),
        standing=row["told_standing"],
        is_share=row["shared_post_id"] is not None,
        shared=_shared(row["shared"], show),
    )


def post_for_all(row: PostRow, show: ShowMedia) -> PostForAll:
    return _without_viewer(PostForAll, post(row, show))


def post_counts(row: CountsRow) -> Counts:
    """The counts, less what is hidden from the viewer."""
    hidden: dict[str, int] = orjson.loads(row["hidden_counts"] or "{}")
    return Counts(
        reactions=_shown_reactions(row["reactions"], hidden),
        comments=max(row["comment_count"] - hidden.get("comments", 0), 0),
        shares=row["share_count"],
        saves=row["save_count"],
        views=row["view_count"],
    )


def post_counted(row: CountedPost) -> PostCounted:
    version = row["counts_version"]
    return PostCounted(
        id=f"post.counted:{row['id']}:{version}",
        post_id=str(row["id"]),
        counts=post_counts(row),
        version=version,
    )


def comment_counted(row: CountedComment) -> CommentCounted:
    version = row["counts_version"]
    return CommentCounted(
        id=f"comment.counted:{row['id']}:{version}",
        post_id=str(row["post_id"]),
        comment_id=str(row["id"]),
        reply_count=row["reply_count"],
        reactions=_shown_reactions(row["reactions"], orjson.loads(row["hidden_counts"] or "{}")),
        version=version,
    )


def _shown_reactions(reactions: str, hidden: Mapping[str, int]) -> dict[str, int]:
    """reactions: JSON. hidden: what to subtract, by kind. Workers may not have counted all of that yet."""
    counted: dict[str, int] = orjson.loads(reactions)
    if not hidden:
        return counted
    return {kind: shown for kind, amount in counted.items() if (shown := amount - hidden.get(kind, 0)) > 0}


def _shared(row: str | None, show: ShowMedia) -> PostLite | None:
    if row is None:
        return None
    found = msgspec.json.decode(row, type=_Shared)
    return PostLite(
        id=str(found.id),
        author=found.author,
        text=found.text,
        media=show(found.media or ()),
        hashtags=found.hashtags,
        mentions=found.mentions,
        visibility=found.visibility,
        labels=found.labels,
        version=found.version,
        created_at=to_wire(minted_at(found.id)),
        edited_at=optional_time(found.edited_at),
    )


def saved_post(row: SavedRow, show: ShowMedia) -> SavedPost:
    collection_id = row["collection_id"]
    return SavedPost(
        post=post(row, show),
        collection_id=None if collection_id is None else str(collection_id),
        saved_at=to_wire(minted_at(row["save_id"])),
    )


def collection(row: CollectionRow) -> Collection:
    return Collection(id=str(row["id"]), name=row["name"], created_at=to_wire(row["created_at"]))


def comment(row: CommentRow, show: ShowMedia) -> Comment:
    author_id = row["author_id"]
    return Comment(
        id=str(row["id"]),
        post_id=str(row["post_id"]),
        parent_id=None if row["parent_id"] is None else str(row["parent_id"]),
        author=None if author_id is None else user_lite(row, author_id),
        text=row["text"],
        media=show(decoded(row["media"])),
        mentions=_decode_users(row["mentions"]),
        depth=row["depth"],
        reply_count=row["reply_count"],
        reactions=_shown_reactions(row["reactions"] or "{}", orjson.loads(row["hidden_counts"] or "{}")),
        counts_version=row["counts_version"] or 0,
        deleted=author_id is None,
        created_at=to_wire(minted_at(row["id"])),
        edited_at=optional_time(row["edited_at"]),
        labels=row["labels"] or [],
        viewer=ViewerOfComment(reaction=row["reaction"]),
        standing=row["told_standing"] or "visible",
    )


def comment_for_all(row: CommentRow, show: ShowMedia) -> CommentForAll:
    return _without_viewer(CommentForAll, comment(row, show))


def reaction(row: ReactionRow) -> Reaction:
    return Reaction(user=user_lite(row, row["user_id"]), kind=row["kind"], created_at=to_wire(minted_at(row["id"])))


def circle(row: CircleRow, members: dict[int, LiteRow]) -> Circle:
    """members: by id. Members who are deleted or hidden from the viewer are left out."""
    shown = [user_lite(members[user_id], user_id) for user_id in row["member_ids"] if user_id in members]
    return Circle(id=str(row["id"]), name=row["name"], members=shown, created_at=to_wire(row["created_at"]))


def room_message(row: MessageRow) -> RoomMessage:
    return RoomMessage(
        id=str(row["id"]),
        room_id=str(row["room_id"]),
        sender=user_lite(row, row["sender_id"]),
        text=row["text"],
        created_at=to_wire(minted_at(row["id"])),
    )


def _without_viewer(kind: type[MessageT], message: MessageT) -> MessageT:
    """The message as its base class, which has no `viewer`."""
    return kind(**{name: getattr(message, name) for name in kind.__struct_fields__})


def optional_time(time: datetime | None) -> str | None:
    return None if time is None else to_wire(time)
