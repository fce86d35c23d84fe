"""The keys of Redis that belong to one user, for the erasure of an account. All of them would expire by themselves."""

import asyncio

from channels.redis_keys import RedisKeys
from storage.feeds import Feeds
from storage.recommendations import Recommendations
from storage.seen_posts import SeenPosts
from storage.shards import Shards


class UserKeys:
    def __init__(
        self, feeds: Feeds, seen: SeenPosts, recommendations: Recommendations, shards: Shards, keys: RedisKeys
    ) -> None:
        """shards: of the realtime paths."""
        self._feeds = feeds
        self._seen = seen
        self._recommendations = recommendations
        self._shards = shards
        self._keys = keys

    async def forget(self, user_id: int) -> None:
        """Delete the feed, posts seen, recommendations, presence, locations and missed pushes. Raises RedisError."""
        own = self._keys
        keys = [own.presence(user_id), own.locations(user_id), own.inbox(user_id), own.cut(user_id)]
        await asyncio.gather(
            self._feeds.forget(user_id),
            self._seen.forget(user_id),
            self._recommendations.forget(user_id),
            self._shards.call(own.shard_of_user(user_id), "UNLINK", *keys),
        )
