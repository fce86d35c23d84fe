"""The channel of a user's presence: sockets of the users who watch whether that user is online."""

from collections.abc import Mapping, Sequence

from channels.kinds import Kind, Membership
from protocol.presence import MOST_WATCHED
from storage import users
from storage.database import Transaction


async def _may_watch(tx: Transaction, memberships: Sequence[Membership]) -> Mapping[Membership, object]:
    allowed = await users.may_watch(tx, [(PRESENCE.id_of(channel), user_id) for user_id, channel in memberships])
    return {(user_id, PRESENCE.channel(watched_id)): None for watched_id, user_id in allowed}


PRESENCE = Kind(
    "presence", on_change="recheck", may_be_in=_may_watch, most_per_socket=MOST_WATCHED, is_logged=False
)  # fmt: skip
