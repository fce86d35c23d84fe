"""Demo data: users who follow each other, post and talk, and access tokens for users without a password."""

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate

from domain import search_documents
from domain.audience import LARGE_FROM
from gateway.demo_conversations import insert_conversations
from gateway.demo_texts import Texts
from gateway.owner import owner_connection
from gateway.terminal import Step
from protocol.tokens import AccessTokens
from storage import seeding, seeding_search
from storage.search import FIRST_AUTHORS, IndexedPost

POSTS_PER_USER = 5
FOLLOWS_PER_USER = 20
FIRST_NAMES = (
    ("mona", "منى"), ("ahmed", "أحمد"), ("nour", "نور"), ("omar", "عمر"), ("salma", "سلمى"), ("youssef", "يوسف"),
    ("hana", "هنا"), ("karim", "كريم"), ("laila", "ليلى"), ("tarek", "طارق"), ("dina", "دينا"), ("mahmoud", "محمود"),
    ("farida", "فريدة"), ("hassan", "حسن"), ("yara", "يارا"), ("amr", "عمرو"),
)  # fmt: skip
FAMILY_NAMES = (
    ("elsayed", "السيد"), ("fahmy", "فهمي"), ("mansour", "منصور"), ("nagy", "ناجي"), ("shawky", "شوقي"),
    ("abdallah", "عبد الله"), ("ramzy", "رمزي"), ("zaki", "زكي"), ("helmy", "حلمي"), ("sabry", "صبري"),
)  # fmt: skip
CHUNK = 20_000  # posts
_SAMPLED = 10  # of so many posts, the words of one are counted


async def seed(url: str, users: int, progress: Step, posts: int | None = None) -> None:
    """Add that many users, who follow each other, have posted and talk. posts: by default 5 for each user.

    Popularity falls with rank as 1/rank, so a few are followed by many and most by few. progress: called with the name
    of each step and the part done (0 to 1).
    """
    amount = users * POSTS_PER_USER if posts is None else posts
    async with owner_connection(url) as connection, connection.transaction():
        progress("users", 0.0)
        start = await seeding.count_users(connection)
        ids = await seeding.insert_users(connection, list(_users(start, users)), indexed=False)
        progress("follows", 0.05)
        await seeding.insert_follows(connection, _follows(ids))
        async with seeding_search.without_index(connection, amount + users):
            await _insert_posts(connection, ids, amount, lambda done: progress("posts", 0.15 + 0.5 * done))
            progress("conversations", 0.65)
            await insert_conversations(connection, ids)
            progress("counts", 0.67)
            await seeding.recount(connection, LARGE_FROM)
            people = await seeding_search.users_among(connection, ids)
            await seeding_search.insert_documents(connection, map(search_documents.of_user, people))
            progress("search index", 0.75)
    progress("done", 1.0)


async def _insert_posts(
    connection: "seeding.Connection", user_ids: Sequence[int], amount: int, progress: Callable[[float], None]
) -> None:
    """Posts with their documents, and the hashtags and words in them."""
    texts = Texts()
    uses: dict[int, tuple[str, int, list[int]]] = {}
    post_ids = seeding.past_ids(amount, seeding.POSTED_WITHIN)
    for first in range(0, len(post_ids), CHUNK):
        progress(first / len(post_ids))
        chunk = [(post_id, random.choice(user_ids), *texts.one()) for post_id in post_ids[first : first + CHUNK]]
        await seeding.insert_posts(connection, chunk)
        posts = [IndexedPost(post_id, author_id, text, tags, True) for post_id, author_id, text, tags in chunk]
        await seeding_search.insert_documents(connection, map(search_documents.of_post, posts))
        for post in posts[::_SAMPLED]:
            for use_id, shown in search_documents.named_in(post).items():
                _, count, authors = uses.get(use_id, (shown, 0, []))
                if len(authors) < FIRST_AUTHORS and post.author_id not in authors:
                    authors.append(post.author_id)
                uses[use_id] = shown, count + _SAMPLED, authors
    await seeding_search.insert_uses(connection, uses)
    known = await seeding_search.uses_among(connection, [*uses])
    await seeding_search.replace_documents(connection, filter(None, map(search_documents.of_use, known)))


async def someone_and_a_follower(url: str) -> tuple[str, str] | None:
    """The username of the most followed user and of one follower; None if there are no users."""
    async with owner_connection(url) as connection:
        return await seeding.most_followed_and_a_follower(connection)


async def list_users(url: str, amount: int) -> list[tuple[str, str]]:
    """Usernames and display names of users without a password, the most followed first."""
    async with owner_connection(url) as connection:
        return await seeding.list_users(connection, amount)


async def mint_tokens(
    url: str,
    tokens: AccessTokens,
    usernames: Sequence[str],
    *,
    create: bool,
    lifetime: timedelta,
    without_password: bool = False,
) -> list[str]:
    """Open a session for each user and return its access tokens. Raises LookupError for an unknown username.

    create: add users that are missing. without_password: users with a password count as unknown.
    """
    async with owner_connection(url) as connection:
        sessions = await open_sessions(connection, usernames, create=create, without_password=without_password)
    return access_tokens(tokens, sessions, lifetime)


async def open_sessions(
    connection: "seeding.Connection", usernames: Sequence[str], *, create: bool, without_password: bool = False
) -> list[tuple[int, int]]:
    """Open a session for each user, as `mint_tokens` does; return pairs of a user's id and the session's."""
    async with connection.transaction():
        found = await seeding.user_ids(connection, usernames, without_password=without_password)
        missing = [name for name in usernames if name.lower() not in found]
        if missing and not create:
            raise LookupError(f"there is no user {missing[0]}: add --create, or run `daira seed` first")
        if missing:
            await seeding.insert_users(connection, [(name, name) for name in missing])
            found = await seeding.user_ids(connection, usernames)
        owners = [found[name.lower()] for name in usernames]
        return list(zip(owners, await seeding.open_sessions(connection, owners, "daira token"), strict=True))


def access_tokens(tokens: AccessTokens, sessions: Sequence[tuple[int, int]], lifetime: timedelta) -> list[str]:
    """Return a token for each pair of a user's id and a session's."""
    now = datetime.now(UTC)
    return [tokens.mint(user_id, session_id, now, lifetime)[0] for user_id, session_id in sessions]


def _users(start: int, amount: int) -> Iterator[tuple[str, str]]:
    for number in range(start, start + amount):
        first, first_arabic = FIRST_NAMES[number % len(FIRST_NAMES)]
        family, family_arabic = FAMILY_NAMES[number // len(FIRST_NAMES) % len(FAMILY_NAMES)]
        suffix = "" if number < len(FIRST_NAMES) * len(FAMILY_NAMES) else str(number)
        yield f"{first}_{family}{suffix}", f"{first_arabic} {family_arabic}"


def _follows(ids: Sequence[int]) -> list[tuple[int, int]]:
    weights = list(accumulate(1 / rank for rank in range(1, len(ids) + 1)))
    each = min(FOLLOWS_PER_USER, len(ids) - 1)
    pairs: set[tuple[int, int]] = set()
    for follower in ids:
        # The most popular is followed by nearly everybody.
        chosen = {ids[0], *random.choices(ids, cum_weights=weights, k=each)} - {follower}
        pairs.update((follower, followee) for followee in chosen)
    return sorted(pairs)
