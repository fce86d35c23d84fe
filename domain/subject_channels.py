"""Channels that name the subject of a push: a comment, a chat message, a file or a person. No socket joins them.

A client that reconnects gets a missed push only if its user may still see the subject: moderation may have removed the
subject in the meantime, or banned the person.
"""

from collections.abc import Mapping, Sequence

from channels.kinds import Kind, Membership
from storage import chat_messages, comments, media, users
from storage.database import Transaction

_SEQ = 2**31  # a message is named by one number: its chat, and its number in the chat


async def _see_comments(tx: Transaction, memberships: Sequence[Membership]) -> Mapping[Membership, object]:
    seen = await comments.visible(tx, [COMMENT.id_of(channel) for _, channel in memberships])
    return {(user_id, channel): None for user_id, channel in memberships if COMMENT.id_of(channel) in seen}


async def _see_messages(tx: Transaction, memberships: Sequence[Membership]) -> Mapping[Membership, object]:
    asked = {channel: divmod(MESSAGE.id_of(channel), _SEQ) for _, channel in memberships}
    seen = await chat_messages.visible(tx, list(asked.values()))
    return {(user_id, channel): None for user_id, channel in memberships if asked[channel] in seen}


async def _see_files(tx: Transaction, memberships: Sequence[Membership]) -> Mapping[Membership, object]:
    seen = await media.visible(tx, [FILE.id_of(channel) for _, channel in memberships])
    return {(user_id, channel): None for user_id, channel in memberships if FILE.id_of(channel) in seen}


async def _see_people(tx: Transaction, memberships: Sequence[Membership]) -> Mapping[Membership, object]:
    seen = await users.load_lite(tx, [PERSON.id_of(channel) for _, channel in memberships])
    return {(user_id, channel): None for user_id, channel in memberships if PERSON.id_of(channel) in seen}


def message_channel(chat_id: int, seq: int) -> str:
    return MESSAGE.channel(chat_id * _SEQ + seq)


COMMENT = Kind("comment", on_change="leave", may_be_in=_see_comments, most_per_socket=1, is_logged=False)
MESSAGE = Kind("message", on_change="leave", may_be_in=_see_messages, most_per_socket=1, is_logged=False)
FILE = Kind("file", on_change="leave", may_be_in=_see_files, most_per_socket=1, is_logged=False)
PERSON = Kind("person", on_change="leave", may_be_in=_see_people, most_per_socket=1, is_logged=False)
