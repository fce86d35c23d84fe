"""Pushes of files to those who see them, once a worker has changed them.

A file that something uses is pushed to where that is: to the clients that have the post open, or to the members of the
chat. Its owner gets it in any case, with what is for the owner alone. Nobody else gets a file that is withheld, or that
something withheld uses.
"""

from collections.abc import Iterable

from domain.post_channels import POST
from domain.subject_channels import FILE
from protocol.media import MediaFailed, MediaReady, MediaUpdated
from protocol.moderation import Label
from protocol.pushes import Push
from protocol.standing import WITHHELD
from storage import chat_members, chat_messages, comments, graph, posts
from storage.media import MediaRow
from workers.by_age import seeing_ages
from workers.job import Tools

MediaPush = type[MediaReady] | type[MediaUpdated] | type[MediaFailed]


async def push_media(tools: Tools, row: MediaRow, kind: MediaPush, cause: str) -> None:
    """Call it after the commit, with the row as it is then. cause: pushes of one file for one cause are the same."""
    push_id = f"{kind.event}:{row['id']}:{cause}"
    own = kind(id=push_id, media=tools.media.media(row, row["owner_id"]))
    await tools.broadcaster.publish_to_users([row["owner_id"]], own)
    if row["target_id"] is None or row["standing"] in WITHHELD:
        return
    push = kind(id=push_id, media=tools.media.media(row, None))
    match row["target_type"]:
        case "post":
            await _push_at_post(tools, row["target_id"], push, row, row["labels"])
        case "comment":
            async with tools.database.transaction() as tx:
                comment = await comments.load(tx, row["target_id"])
            if comment is not None and not comment["is_withheld"]:
                await _push_at_post(tools, comment["post_id"], push, row, [*row["labels"], *(comment["labels"] or ())])
        case "message":
            await _push_in_chat(tools, row["target_id"], push, row)


async def _push_at_post(tools: Tools, post_id: int, push: Push, row: MediaRow, labels: Iterable[Label]) -> None:
    async with tools.database.transaction() as tx:
        post = await posts.for_fanout(tx, post_id)
    if post is not None and post["status"] == "published":
        about, ages = FILE.channel(row["id"]), seeing_ages(labels)
        await tools.broadcaster.publish(POST.channel(post_id), push, actor_id=row["owner_id"], about=about, ages=ages)


async def _push_in_chat(tools: Tools, chat_id: int, push: Push, row: MediaRow) -> None:
    owner_id, seq = row["owner_id"], row["target_seq"]
    assert seq is not None
    async with tools.database.transaction() as tx:
        members = await chat_members.active_for_workers(tx, chat_id)
        messages = await chat_messages.range_for_workers(tx, chat_id, seq, seq)
        hiding = await graph.who_hide(tx, owner_id, list(members))
    if not messages or messages[0]["is_withheld"]:
        return
    seeing = [user_id for user_id, first_seq in members.items() if first_seq <= seq and user_id not in hiding]
    others = [user_id for user_id in await tools.locations.online(seeing) if user_id != owner_id]
    about, ages = FILE.channel(row["id"]), seeing_ages([*row["labels"], *messages[0]["labels"]])
    await tools.broadcaster.publish_to_users(others, push, actor_id=owner_id, about=about, ages=ages)
