"""Pushes to clients that have a post open and recover their session."""

from channels.hooks import Hooks, RecoveredClient, Rejoined
from channels.messages import unkept
from domain.post_channels import POST
from storage import counts, present
from storage.database import Database


class PostHooks(Hooks):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def rejoin(self, client: RecoveredClient) -> Rejoined:
        """Return the present counts of the posts: pushes of counts are not replayed."""
        watched = [POST.id_of(channel) for channel in client.channels if channel in client.member.channels]
        if not watched:
            return Rejoined()
        async with self._database.transaction(client.member.user_id) as tx:
            rows = await counts.load(tx, watched)
        counted = [row for row in rows if row["counts_version"] > 0]  # otherwise nothing was ever pushed
        return Rejoined([unkept(present.post_counted(row), POST.channel(row["id"])) for row in counted])
