"""Watchers of presence get pushes when they lose the right to watch, and when they recover."""

import json

from channels.hooks import RecoveredClient
from channels.messages import Written
from channels.recovery import WatchedChannel
from presence.presence_hooks import PresenceHooks
from presence.view import unknown
from protocol.presence import Presence
from tests.channels.people import Socket, user


class Looking:
    """A tracker whose users are all online."""

    async def look(self, user_ids: list[int]) -> dict[int, Presence]:
        return {user_id: Presence(str(user_id), "online", "", None) for user_id in user_ids}


def shown(written: Written) -> tuple[str, str, str]:
    body = json.loads(written.json[written.json.index(b"[") :])[1]["presence"]
    return written.channel, body["user_id"], body["status"]


async def test_watchers_who_may_not_watch_see_the_user_as_unknown():
    alice, bob = Socket(1), Socket(2)
    await PresenceHooks(Looking()).lost([(alice, "presence:7"), (bob, "presence:8")], set(), "")
    assert [shown(written) for written in alice.received] == [("presence:7", "7", unknown(7).status)]
    assert [shown(written) for written in bob.received] == [("presence:8", "8", unknown(8).status)]


async def test_a_recovered_watcher_gets_the_presence_of_users_it_may_still_watch():
    member = Socket(1, channels={"presence:7": 7, "presence:9": 9})
    channels = {f"presence:{number}": WatchedChannel(number, 50) for number in (7, 8)}
    rejoined = await PresenceHooks(Looking()).rejoin(RecoveredClient(member, user(1), 3, channels, ()))
    assert [shown(written) for written in rejoined.now] == [("presence:7", "7", "online")]
    assert rejoined.refused == ()
