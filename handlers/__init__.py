"""Handlers of calls, one file a domain. A handler checks, calls storage, and returns or raises; it sees no socket."""

from handlers import (
    auth,
    circles,
    feed,
    graph,
    live_rooms,
    posts,
    presence,
    room_chat,
    room_stage,
    system,
    users,
)

MODULES = (auth, circles, feed, graph, live_rooms, posts, presence, room_chat, room_stage, system, users)
