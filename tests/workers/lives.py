"""A user who has used everything, for tests of exports and erasures."""

from tests.uploads import png, upload


async def live(alice, bob, token: str) -> dict[str, list[str]]:
    """Let Alice leave the token in everything that she can write. Returns ids."""
    await bob.call("graph.follow", user_id=alice.id)
    await alice.call("graph.follow", user_id=bob.id)
    await alice.call("user.update", display_name=f"name {token}", bio=f"bio {token}", governorate="giza")
    await alice.call("settings.update", messages_from="everyone", comments_from="followers")
    await alice.call("push.register", kind="fcm", token=f"fcm:{token}")
    await alice.call("notification.set_preferences", quiet_hours={"start": "22:00", "end": "07:00"})
    circle = await alice.call("circle.create", name=f"circle {token}")
    await alice.call("circle.add", circle_id=circle["id"], user_ids=[bob.id])
    collection = await alice.call("collection.create", name=f"saved {token}")
    file = await upload(alice, png(5_000), filename=f"{token}.png")
    post = await alice.call("post.create", text=f"post {token} #{token}", media_ids=[file["id"]])
    deleted = await alice.call("post.create", text=f"deleted {token}")
    await alice.call("post.delete", post_id=deleted["id"])
    of_bob = await bob.call("post.create", text="what Bob wrote")
    await alice.call("comment.create", post_id=of_bob["id"], text=f"comment {token}")
    gone = await alice.call("comment.create", post_id=of_bob["id"], text=f"deleted comment {token}")
    await alice.call("comment.delete", comment_id=gone["id"])
    await alice.call("reaction.set", target_type="post", target_id=of_bob["id"], kind="love")
    own = await bob.call("comment.create", post_id=of_bob["id"], text="what Bob answered")
    await alice.call("reaction.set", target_type="comment", target_id=own["id"], kind="love")
    await alice.call("save.add", post_id=of_bob["id"], collection_id=collection["id"])
    await alice.call("view.report", views=[{"post_id": of_bob["id"], "dwell_ms": 4_000}])
    await alice.call("feed.hide", post_id=of_bob["id"], reason="not_interested")
    await alice.call("search.query", q=f"search {token}")
    chat = (await bob.call("chat.open", user_ids=[alice.id]))["chat"]["id"]
    sent = await alice.call("chat.send", chat_id=chat, text=f"message {token}")
    await bob.call("chat.send", chat_id=chat, text="what Bob said")
    await alice.call("chat.edit", chat_id=chat, seq=sent["seq"], text=f"edited {token}")
    group = (await alice.call("chat.create", title="the group", user_ids=[bob.id]))["chat"]["id"]
    await alice.call("chat.send", chat_id=group, text=f"group {token}")
    room = await alice.call("room.create", topic=f"room {token}")
    await alice.call("room.start", room_id=room["id"], version=room["version"])
    await alice.call("room.join", room_id=room["id"])
    await bob.call("room.join", room_id=room["id"])
    await alice.call("room.send", room_id=room["id"], text=f"said {token}")
    await alice.call(
        "room.close", room_id=room["id"], version=(await alice.call("room.get", room_id=room["id"]))["version"]
    )
    other = await bob.call("room.create", topic="the room of Bob")
    await bob.call("room.start", room_id=other["id"], version=other["version"])
    for each in (bob, alice):
        await each.call("room.join", room_id=other["id"])
    for text in (f"one two three four {token}", f"five six seven eight {token}"):
        await alice.call("room.send", room_id=other["id"], text=text)
    await bob.call(
        "room.close", room_id=other["id"], version=(await bob.call("room.get", room_id=other["id"]))["version"]
    )
    await alice.call("graph.mute", user_id=bob.id, kind="posts")
    return {
        "posts": [post["id"], deleted["id"], of_bob["id"]],
        "rooms": [room["id"], other["id"]],
        "chats": [chat, group],
    }
