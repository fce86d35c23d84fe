"""Makes messages of rows."""

from datetime import datetime
from typing import TypeVar

import msgspec

from protocol.comments import Comment, CommentForAll, ViewerOfComment
from protocol.posts import Circle, Counts, Post, PostForAll, ViewerOfPost
from protocol.reactions import Reaction
from protocol.room_chat import RoomMessage
from protocol.timestamps import to_wire
from protocol.users import Relation, User, UserLite
from storage import posts
from storage.circles import CircleRow
from storage.comments import CommentRow
from storage.live_rooms import StandingRow
from storage.posts import PostRow
from storage.reactions import ReactionRow
from storage.room_messages import MessageRow
from storage.snowflakes import minted_at
from storage.users import LiteRow, ProfileRow

MessageT = TypeVar("MessageT", bound=msgspec.Struct)


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


def post(row: PostRow) -> Post:
    return Post(
        id=str(row["id"]),
        author=user_lite(row, row["author_id"]),
        text=row["text"],
        media=[],
        hashtags=row["hashtags"],
        mentions=msgspec.json.decode(row["mentions"], type=list[UserLite]),
        visibility=row["visibility"],
        version=row["version"],
        created_at=to_wire(minted_at(row["id"])),
        edited_at=optional_time(row["edited_at"]),
        counts=Counts(
            reactions=posts.reactions(row),
            comments=row["comment_count"],
            shares=row["share_count"],
            saves=row["save_count"],
            views=row["view_count"],
        ),
        viewer=ViewerOfPost(reaction=row["reaction"]),
    )


def post_for_all(row: PostRow) -> PostForAll:
    return _without_viewer(PostForAll, post(row))


def comment(row: CommentRow) -> Comment:
    author_id = row["author_id"]
    return Comment(
        id=str(row["id"]),
        post_id=str(row["post_id"]),
        parent_id=None if row["parent_id"] is None else str(row["parent_id"]),
        author=None if author_id is None else user_lite(row, author_id),
        text=row["text"],
        mentions=msgspec.json.decode(row["mentions"], type=list[UserLite]),
        depth=row["depth"],
        reply_count=row["reply_count"],
        reactions=msgspec.json.decode(row["reactions"] or "{}", type=dict[str, int]),
        deleted=author_id is None,
        created_at=to_wire(minted_at(row["id"])),
        edited_at=optional_time(row["edited_at"]),
        viewer=ViewerOfComment(reaction=row["reaction"]),
    )


def comment_for_all(row: CommentRow) -> CommentForAll:
    return _without_viewer(CommentForAll, comment(row))


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
