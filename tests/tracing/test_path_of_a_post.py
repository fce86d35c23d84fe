"""One post is one trace: from the call through statements, outbox, event log and worker to the push on another node."""

import json

from tests.tracing.collector import Collector, Seen

TEXT = "a text that belongs in no trace"


def tree(spans: list[Seen]) -> dict[str, set[str]]:
    """The names of spans, each with the names of its parents."""
    names = {span.id: span.name for span in spans}
    found: dict[str, set[str]] = {}
    for span in spans:
        found.setdefault(span.name, set()).add(names.get(span.parent_id, span.parent_id))
    return found


async def test_the_event_of_a_batch_of_messages_has_the_trace_of_a_call(cluster, person, traced: Collector):
    """`send_chat_messages` adds the event itself, and asks for no transaction of the caller's."""
    alice, bob = await person("alice", node="a"), await person("bob", node="b")
    await bob.call("graph.follow", user_id=alice.id)  # her messages are no request then
    chat = (await alice.call("chat.open", user_ids=[bob.id]))["chat"]
    await alice.call("chat.send", chat_id=chat["id"], text=TEXT)
    await bob.expect("chat.message")
    await cluster.settle()
    parents = tree(await traced.trace_with("chat.send", "chats chat.message_sent", "deliver chat.message"))
    assert parents["relay chat.message_sent"] == {"chat.send"}
    assert parents["deliver chat.message"] == {"publish chat.message"}


async def test_the_whole_path_of_a_post_is_one_trace(cluster, person, traced: Collector):
    alice, bob = await person("alice", node="a"), await person("bob", node="b")
    await bob.call("graph.follow", user_id=alice.id)
    await cluster.settle(bob)
    post = await alice.call("post.create", text=TEXT)
    await bob.expect("feed.added", post_id=post["id"])
    await cluster.settle()
    spans = await traced.trace_with("post.create", "fanout post.created", "deliver feed.added")
    [root] = [span for span in spans if span.name == "post.create"]
    parents = tree(spans)
    assert (root.parent_id, root.kind, root.attributes["daira.code"]) == ("", "SERVER", "OK")
    for step in ("BEGIN", "INSERT posts", "INSERT outbox", "COMMIT", "hit_limit", "relay post.created"):
        assert "post.create" in parents[step], step
    assert parents["fanout post.created"] == {"relay post.created"}
    for step in ("SELECT follows", "add_to_feeds", "publish feed.added", "publish_to_users"):
        assert "fanout post.created" in parents[step], step
    assert parents["deliver feed.added"] == {"publish feed.added"}
    [pushed] = [span for span in spans if span.name == "deliver feed.added"]
    assert pushed.attributes["daira.sockets"] == 1
    for span in spans:
        assert 0 < span.began <= span.ended
        assert span.attributes.get("error.type") in (
            None,
            "NoScriptError",
        )  # the server learns a script by its first use
    for private in (TEXT, post["id"], alice.id, bob.id, alice.name, bob.name):
        assert private not in json.dumps(spans)


async def test_a_turn_of_a_loop_is_a_trace_up_to_its_pushes(cluster, person, traced: Collector):
    alice, bob = await person("alice", node="a"), await person("bob", node="b")
    post = await alice.call("post.create", text=TEXT)
    await bob.call("post.watch", post_id=post["id"])
    await alice.call("reaction.set", target_type="post", target_id=post["id"], kind="like")
    await bob.expect("post.counted")
    parents = tree(await traced.trace_with("counters", "deliver post.counted"))
    assert parents["counters"] == {""}
    assert parents["deliver post.counted"] == {"publish post.counted"}
