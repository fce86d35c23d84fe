"""Counts that a viewer is told of, beside the lists that the viewer can load: hidden users are in neither."""

import asyncio
from collections.abc import Iterable
from typing import Any

from tests.contract.privacy.explore import hashtag_counts
from tests.contract.privacy.world import HOST, VIEWERS, Thing, World


async def differences(world: World, viewers: Iterable[str] = VIEWERS) -> list[str]:
    """Counts of posts, comments, notifications and chats that differ from their lists."""
    found = await asyncio.gather(*(_differences(world, viewer) for viewer in viewers))
    return [each for many in found for each in many]


async def wrongly_pushed(world: World) -> list[str]:
    """Counts that pushes tell viewers of the post where all meet, and that differ from those of calls."""
    square, host = world.place("post"), world.people[HOST]
    comments = [each for each in world.of_kind("comment") if each.part_of is square and not each.is_deleted]
    comments = [each for each in comments if world.sees(HOST, each)]
    for kind in ("love", "like"):
        await world.quiet()
        for target in (square, *comments):
            await host.call("reaction.set", target_type=target.kind, target_id=target.id, kind=kind)
    await world.cluster.settle(*world.people.values())
    found = await asyncio.gather(*(_wrongly_pushed(world, viewer, square, comments) for viewer in VIEWERS))
    return [each for many in found for each in many]


async def _wrongly_pushed(world: World, viewer: str, post: Thing, comments: list[Thing]) -> list[str]:
    person = world.people[viewer]
    loaded = await person.call("post.get", post_id=post.id)
    push = await person.expect("post.counted", post_id=post.id, version=loaded["counts_version"])
    pairs = [(push["counts"], loaded["counts"])]
    for comment in comments:
        if world.sees(viewer, comment) and world.may(viewer, comment.owner, "act on posts"):
            loaded = await person.call("comment.get", comment_id=comment.id)
            push = await person.expect("comment.counted", comment_id=comment.id, version=loaded["counts_version"])
            pairs += [(push[each], loaded[each]) for each in ("reactions", "reply_count")]
    return [f"{viewer} was told {pushed} instead of {counts}" for pushed, counts in pairs if pushed != counts]


def _left_out(world: World, viewer: str, post: Thing) -> int:
    """How many comments lists leave out by their labels; they count nevertheless."""
    labelled = [each for each in world.of_kind("comment") if each.part_of is post and each.found_by == "nobody"]
    return len([each for each in labelled if each.owner != viewer and world.may(viewer, each.owner, "act")])


async def _differences(world: World, viewer: str) -> list[str]:
    call = world.people[viewer].call
    pairs: list[tuple[str, Any, Any]] = []
    for post in world.of_kind("post"):
        if world.sees(viewer, post):
            counts = (await call("post.get", post_id=post.id))["counts"]
            reactions = (await call("reaction.list", target_type="post", target_id=post.id, limit=100))["items"]
            comments = (await call("comment.list", post_id=post.id, limit=100))["items"]
            pairs.append((f"reactions to {post}", sum(counts["reactions"].values()), len(reactions)))
            listed = len([1 for each in comments if not each["deleted"]]) + _left_out(world, viewer, post)
            pairs.append((f"comments on {post}", counts["comments"], listed))
    square = world.place("post").id
    for comment in (await call("comment.list", post_id=square, limit=100))["items"]:
        replies = (await call("comment.list", post_id=square, parent_id=comment["id"], limit=100))["items"]
        pairs.append(("replies to a comment", comment["reply_count"], len(replies)))
        if not comment["deleted"]:
            target = {"target_type": "comment", "target_id": comment["id"]}
            reactions = (await call("reaction.list", **target, limit=100))["items"]
            pairs.append(("reactions to a comment", sum(comment["reactions"].values()), len(reactions)))
    pairs.append(("posts with the hashtag", *await hashtag_counts(world, viewer)))
    page = await call("notification.list", limit=100)
    pairs.append(("notifications", page["unseen_count"], len([1 for each in page["items"] if not each["seen"]])))
    for entry in (await call("chat.list", limit=100))["items"]:
        history = (await call("chat.history", chat_id=entry["chat"]["id"], limit=100))["items"]
        unread = [
            each
            for each in history
            if each["seq"] > entry["read_seq"] and not each["deleted"] and each["sender_id"] != world.people[viewer].id
        ]
        pairs.append((f"messages of {entry['chat']['title']}", entry["unread"], len(unread)))
    return [f"{viewer}: {count} {what}, but {listed} listed" for what, count, listed in pairs if count != listed]
