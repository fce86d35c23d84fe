"""The names of keys and of Redis channels that hold data of channels, users and nodes."""

from typing import NamedTuple

from storage.shards import Shards


class ChannelKeys(NamedTuple):
    """clock, log, bodies, state: what scripts on channels take."""

    clock: str
    log: str
    bodies: str
    state: str


class UserPrefixes(NamedTuple):
    """Key prefixes of a user's locations, inbox and cut; the user id follows."""

    locations: str
    inbox: str
    cut: str


class RedisKeys:
    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._users: dict[int, UserPrefixes] = {}  # by shard

    def clock(self, shard: int) -> str:
        return self._shards.key(shard, "clock")

    # ------------------------------------------------------------------------------------------ channels

    def redis_channel(self, channel: str) -> str:
        return self._shards.key(self._shards.of(channel), "channel", channel)

    def channel_keys(self, channel: str) -> ChannelKeys:
        shard = self._shards.of(channel)
        key = self._shards.key
        return ChannelKeys(
            self.clock(shard), key(shard, "log", channel), key(shard, "bodies", channel), key(shard, "state", channel)
        )

    # ------------------------------------------------------------------------------------------ users

    def shard_of_user(self, user_id: int) -> int:
        return self._shards.of(str(user_id))

    def users(self, shard: int) -> UserPrefixes:
        if (prefixes := self._users.get(shard)) is None:
            key = self._shards.key
            prefixes = UserPrefixes(key(shard, "at", ""), key(shard, "inbox", ""), key(shard, "cut", ""))
            self._users[shard] = prefixes
        return prefixes

    def locations(self, user_id: int) -> str:
        """The locations of the user's sockets: open ones, and those whose client may reconnect."""
        return f"{self.users(self.shard_of_user(user_id)).locations}{user_id}"

    def presence(self, user_id: int) -> str:
        """The user's presence: whether online, and the status that others see."""
        return self._shards.key(self.shard_of_user(user_id), "presence", user_id)

    def inbox(self, user_id: int) -> str:
        return f"{self.users(self.shard_of_user(user_id)).inbox}{user_id}"

    def cut(self, user_id: int) -> str:
        """The offset of the newest push that was dropped from a full inbox."""
        return f"{self.users(self.shard_of_user(user_id)).cut}{user_id}"

    def bodies(self, shard: int) -> str:
        """Key prefix of push bodies."""
        return self._shards.key(shard, "body", "")

    def session(self, user_id: int, pid: str) -> str:
        return self._shards.key(self.shard_of_user(user_id), "session", pid)

    # ------------------------------------------------------------------------------------------ nodes

    def node_prefix(self, shard: int) -> str:
        return self._shards.key(shard, "node", "")

    def node_channel(self, node: str) -> str:
        """Where control messages to the node are published."""
        return self.node_prefix(self._shards.of(node)) + node

    def node_channels(self, node: str) -> list[tuple[int, str]]:
        """All channels of the node, with their shards: pushes to a user come over the user's shard."""
        return [(shard, self.node_prefix(shard) + node) for shard in range(self._shards.amount)]

    def nodes(self) -> str:
        """The nodes that are alive: node → s of its last heartbeat."""
        return self._shards.key(0, "nodes")

    def reaping(self, node: str) -> str:
        return self._shards.key(0, "reaping", node)

    def control_channel(self) -> str:
        return self._shards.key(0, "control")
