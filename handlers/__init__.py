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
from protocol.rpc import methods

__all__ = ["MODULES", "methods"]

MODULES = (auth, circles, feed, graph, live_rooms, posts, presence, room_chat, room_stage, system, users)
