"""Messages about trends, hashtags, and people whom the caller may know."""

from typing import Annotated, Literal

import msgspec

from protocol.fields import Cursor, Hashtag, Id, PageSize, Request
from protocol.posts import Post
from protocol.users import Governorate, UserLite


class Trend(msgspec.Struct, frozen=True):
    """A hashtag that more people use than usual.

    tag: by which `hashtag.posts` finds its posts. name: as most people write it. people: who used it in the last 24
    hours in public posts, rounded down to tens; at most 1,000, which stands for more. hours: the same for each of these
    hours, oldest first; 0 stands for less than 20 people.
    """

    tag: str
    name: str
    people: int
    hours: list[int]


class TrendList(msgspec.Struct, frozen=True):
    items: list[Trend]


class ListTrends(Request, frozen=True):
    """Without a governorate, the trends are those of the whole country."""

    governorate: Governorate | None = None


class SuggestedPerson(msgspec.Struct, frozen=True):
    """common_count: how many of those whom the caller follows (of a sample of them) follow this user."""

    user: UserLite
    common_count: int
    follows_you: bool


class SuggestedPeople(msgspec.Struct, frozen=True):
    items: list[SuggestedPerson]
    next_cursor: str | None


class ListSuggestedPeople(Request, frozen=True):
    cursor: Cursor | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=50)] | None = None


class PersonRef(Request, frozen=True):
    user_id: Id


class Explore(msgspec.Struct, frozen=True):
    """The explore page. local_trends: of the caller's governorate, if the caller has stated it."""

    trends: list[Trend]
    local_trends: list[Trend]
    posts: list[Post]
    videos: list[Post]
    people: list[SuggestedPerson]


class HashtagRef(Request, frozen=True):
    """The tag may have its #, and any spelling."""

    tag: Hashtag


class HashtagPage(msgspec.Struct, frozen=True):
    """post_count: public posts that the caller may see; at most 1,000, which stands for more."""

    tag: str
    post_count: int


class ListHashtagPosts(Request, frozen=True):
    """`latest`: newest first. `top`: of the newest 500, those first that most people care for at present."""

    tag: Hashtag
    mode: Literal["latest", "top"] | None = None
    cursor: Cursor | None = None
    limit: PageSize | None = None
