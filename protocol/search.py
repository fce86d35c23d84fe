"""Messages about search: queries, suggestions while typing, and the caller's recent searches."""

from typing import Literal

import msgspec

from protocol.fields import Cursor, PageSize, Request, SearchText
from protocol.live_rooms import Room
from protocol.posts import Post
from protocol.users import User, UserLite

SearchKind = Literal["post", "user", "hashtag", "room", "sound"]


class SearchQuery(Request, frozen=True):
    """Without `kind`, the best users, hashtags and rooms come before the posts. There are no sounds yet.

    If fewer than five have both of two words, what has one of them is found as well.
    """

    q: SearchText
    kind: SearchKind | None = None
    cursor: Cursor | None = None
    limit: PageSize | None = None


class FoundHashtag(msgspec.Struct, frozen=True):
    name: str


class SearchItem(msgspec.Struct, frozen=True):
    """The field that `kind` names has the found thing."""

    kind: SearchKind
    post: Post | None = None
    user: User | None = None
    hashtag: FoundHashtag | None = None
    room: Room | None = None


class SearchPage(msgspec.Struct, frozen=True):
    items: list[SearchItem]
    next_cursor: str | None


class SuggestSearch(Request, frozen=True):
    """What the user has typed so far; with # in front, only hashtags are suggested."""

    q: SearchText


class Suggestion(msgspec.Struct, frozen=True):
    """`text` is what to search for; of a hashtag, it begins with #."""

    kind: Literal["user", "hashtag", "word"]
    text: str
    user: UserLite | None = None


class Suggestions(msgspec.Struct, frozen=True):
    items: list[Suggestion]


class RecentSearch(msgspec.Struct, frozen=True):
    q: str
    searched_at: str


class RecentSearches(msgspec.Struct, frozen=True):
    """Newest first, at most 50."""

    items: list[RecentSearch]


class ClearSearches(Request, frozen=True):
    """Without `q`, all are removed."""

    q: SearchText | None = None
