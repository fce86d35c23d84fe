"""The channel of a chat. No socket joins it: it names the chat in pushes to its members.

A push to a user that missed it is replayed only if the user still sees the chat.
"""

from collections.abc import Mapping, Sequence

from channels.kinds import Kind, Membership
from storage import chats
from storage.database import Transaction


async def _may_see(tx: Transaction, memberships: Sequence[Membership]) -> Mapping[Membership, object]:
    allowed = await chats.who_see(tx, [(CHAT.id_of(channel), user_id) for user_id, channel in memberships])
    return {(user_id, CHAT.channel(chat_id)): None for chat_id, user_id in allowed}


CHAT = Kind("chat", on_change="recheck", may_be_in=_may_see, most_per_socket=1, is_logged=False)
