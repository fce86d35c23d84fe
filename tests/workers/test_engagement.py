"""Reactions to events of comments and reactions, repeated as after a crash or a replay of the event log."""

from protocol.events import CommentCreatedEvent, CommentDeletedEvent, CommentEditedEvent, ReactionSetEvent
from tests.cluster import Cluster
from workers.comments import announce_comment, announce_deletion, announce_edit
from workers.job import Job
from workers.own_devices import announce_reaction


async def test_repeated_events_push_nothing_twice(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob", node="b")
    post_id = (await alice.call("post.create", text="hello"))["id"]
    await alice.call("post.watch", post_id=post_id)
    comment_id = (await bob.call("comment.create", post_id=post_id, text="hello"))["id"]
    await bob.call("reaction.set", target_type="post", target_id=post_id, kind="like")
    await cluster.settle(alice, bob)
    ids = {"comment_id": int(comment_id), "post_id": int(post_id), "author_id": int(bob.id)}
    reaction = ReactionSetEvent(
        target_type="post", target_id=int(post_id), post_id=int(post_id), user_id=int(bob.id), kind="love"
    )
    job = Job(cluster.stores.ids.mint(), cluster.workers.tools)
    for _ in range(2):
        await announce_comment(job, CommentCreatedEvent(**ids))
        await announce_edit(job, CommentEditedEvent(**ids))
        await announce_reaction(job, reaction)
    await bob.call("comment.delete", comment_id=comment_id)
    await cluster.settle(alice, bob)
    for _ in range(2):
        for announce, event in (
            (announce_comment, CommentCreatedEvent), (announce_edit, CommentEditedEvent),
            (announce_deletion, CommentDeletedEvent),
        ):  # fmt: skip
            await announce(job, event(**ids))
    await cluster.settle(alice, bob)
    for event in ("comment.created", "comment.edited", "comment.deleted"):
        assert len(alice.heard(event)) == 1, event
    # The repetition tells the present kind, not that of the event.
    assert [push["kind"] for push in bob.heard("reaction.changed")] == ["like", "like"]
