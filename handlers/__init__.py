"""What calls do: one file a domain. A handler checks, calls storage, returns or raises; it never sees a socket."""

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
