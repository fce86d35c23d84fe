"""The channel of the moderators: sockets that have the queue of cases open."""

from collections.abc import Mapping, Sequence

from channels.kinds import Kind, Membership
from storage import cases
from storage.database import Transaction


async def _may_watch(tx: Transaction, memberships: Sequence[Membership]) -> Mapping[Membership, object]:
    moderators = await cases.moderators_among(tx, [user_id for user_id, _ in memberships])
    return {membership: None for membership in memberships if membership[0] in moderators}


# It has no owner. Moderators who lose the role lose their sessions, and with these the channel.
MODERATION = Kind("moderation", on_change="recheck", may_be_in=_may_watch, most_per_socket=1)
QUEUE = MODERATION.channel(0)
