"""Channels of posts: one for each open post, and one for each author with too many followers for fan-out."""

from collections.abc import Mapping, Sequence

from channels.kinds import Kind, Membership
from domain import visibility
from storage import posts
from storage.database import Transaction
from storage.sign_ins import SignInRow


async def _may_watch(tx: Transaction, memberships: Sequence[Membership]) -> Mapping[Membership, object]:
    rows = await posts.load(tx, [POST.id_of(channel) for _, channel in memberships])
    by_channel = {POST.channel(row["id"]): row for row in rows}
    return {
        (user_id, channel): None
        for user_id, channel in memberships
        if (row := by_channel.get(channel)) is not None and visibility.may_see(row, user_id)
    }


def _large_authors(row: SignInRow) -> Mapping[str, int]:
    return {AUTHOR.channel(author_id): author_id for author_id in row["large_authors"]}


# Clients that have the post open.
POST = Kind("post", on_change="leave", may_be_in=_may_watch, most_per_socket=200, is_about_posts=True)

# The author's online followers. Workers move their sockets in and out as users follow, mute and block.
AUTHOR = Kind("author", on_change="keep", at_sign_in=_large_authors, is_about_posts=True)
