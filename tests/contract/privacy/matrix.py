"""The whole matrix: the rows of all domains, and what needs none."""

from tests.contract.privacy import (
    chat_pushes,
    chats,
    comments,
    live_room_pushes,
    live_rooms,
    media,
    notifications,
    posts,
    reactions,
    saves,
    search,
    users,
)
from tests.contract.privacy.rows import CallRow, PushRow

WITH_CALLS = (users, posts, comments, reactions, saves, chats, notifications, live_rooms, media, search)
WITH_PUSHES = (users, posts, comments, saves, chat_pushes, notifications, live_room_pushes, media)
# What is done before relations change, and since.
BEFORE = (
    posts.make,
    posts.watch,
    comments.make,
    reactions.react,
    saves.make,
    saves.save,
    chats.make,
    chats.talk,
    media.make,
    notifications.make,
    live_rooms.make,
)
SINCE = (posts.watch, users.watch, reactions.react, saves.save, chats.talk, notifications.load)

CALLS: dict[str, CallRow] = {method: row for domain in WITH_CALLS for method, row in domain.CALLS.items()}
PUSHES: dict[str, PushRow] = {event: row for domain in WITH_PUSHES for event, row in domain.PUSHES.items()}

# Methods and pushes that can show nothing of another user. "own": they are about the caller alone; "silent": the answer
# is the same for every id; "count": a number without names; "voice": it needs LiveKit.
NO_ROW = {
    "auth.change_password": "own",
    "auth.login": "own",
    "auth.logout": "own",
    "auth.refresh": "own",
    "auth.register": "own",
    "chat.create": "own",
    "chat.hidden": "own",
    "chat.leave": "own",
    "chat.membership_changed": "own",
    "chat.reject": "own",
    "collection.create": "own",
    "graph.block": "silent",
    "graph.muted": "own",
    "graph.unblock": "silent",
    "graph.unfollow": "silent",
    "graph.unmute": "silent",
    "graph.unmuted": "own",
    "media.create_upload": "own",
    "media.progressed": "own",
    "notification.accept_filtered": "silent",
    "notification.counted": "count",
    "notification.dismiss_filtered": "silent",
    "notification.dismissed": "own",
    "notification.mark_read": "silent",
    "notification.mark_seen": "silent",
    "notification.preferences": "own",
    "notification.preferences_changed": "own",
    "notification.removed": "own",
    "notification.set_preferences": "own",
    "post.unwatch": "silent",
    "presence.set": "own",
    "presence.unwatch": "silent",
    "push.list": "own",
    "push.register": "own",
    "push.unregister": "own",
    "reaction.changed": "own",
    "reaction.unset": "silent",
    "room.audience": "count",
    "room.create": "own",
    "room.leave": "silent",
    "room.media_token": "voice",
    "room.reacted": "count",
    "room.removed": "own",
    "room.role_changed": "own",
    "save.changed": "own",
    "save.remove": "silent",
    "search.clear": "own",
    "search.recent": "own",
    "session.expired": "own",
    "session.list": "own",
    "session.ready": "own",
    "session.revoke": "own",
    "session.revoked": "own",
    "settings.changed": "own",
    "settings.get": "own",
    "settings.update": "own",
    "system.methods": "own",
    "system.ping": "own",
    "user.me": "own",
    "user.update": "own",
    "view.report": "silent",
}
