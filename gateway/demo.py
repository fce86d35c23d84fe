"""Demo data: users who follow each other, post and talk, and access tokens for users without a password."""

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import asyncpg

from domain.audience import LARGE_FROM
from domain.post_text import hashtags
from gateway.demo_conversations import insert_conversations
from protocol.tokens import AccessTokens
from storage import seeding

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
TEXTS = (
    "صباح الخير يا مصر ☀️ #صباح_الخير",
    "حد جرب الكشري في وسط البلد؟ #أكل_مصري",
    "الزحمة على المحور النهارده مش طبيعية #القاهرة",
    "ماتش الأهلي والزمالك الليلة، مين هيكسب؟ #كورة",
    "كتاب جديد خلصته النهارده، أنصحكم بيه #قراءة",
    "أحلى غروب على كورنيش إسكندرية #إسكندرية",
    "قهوة سادة وفيروز، كده اليوم يبدأ صح #قهوة",
    "Morning walk by the Nile, nothing beats it #Cairo",
    "Anyone else learning to bake feteer this week? #food",
    "Studying all night for finals, wish me luck #study",
    "Best koshary in town? Asking for a friend #koshary",
    "Sunset over the Corniche tonight was unreal #Alexandria",
    "New mahraganat track is stuck in my head #music",
    "Sa7 el nom ya gama3a #franco",
)

Progress = Callable[[str, float], None]


async def connect_as_owner(url: str) -> "seeding.Connection":
    return await asyncpg.connect(url, timeout=5)


async def seed(url: str, users: int, progress: Progress) -> None:
    """Add that many users, who follow each other, have posted and talk.

    Popularity falls with rank as 1/rank, so a few are followed by many and most by few. progress: called with the name
    of each step and the part done (0 to 1).
    """
    connection = await connect_as_owner(url)
    try:
        async with connection.transaction():
            progress("users", 0.0)
            start = await seeding.count_users(connection)
            ids = await seeding.insert_users(connection, list(_users(start, users)))
            progress("follows", 0.2)
            await seeding.insert_follows(connection, _follows(ids))
            progress("posts", 0.6)
            amount = users * POSTS_PER_USER
            await seeding.insert_posts(connection, _posts(ids), amount)
            progress("conversations", 0.7)
            await insert_conversations(connection, ids)
            progress("counts", 0.8)
            await seeding.recount(connection, LARGE_FROM)
        progress("done", 1.0)
    finally:
        await connection.close()


async def someone_and_a_follower(url: str) -> tuple[str, str] | None:
    """The username of the most followed user and of one follower; None if there are no users."""
    connection = await connect_as_owner(url)
    try:
        return await seeding.most_followed_and_a_follower(connection)
    finally:
        await connection.close()


async def list_users(url: str, amount: int) -> list[tuple[str, str]]:
    """Usernames and display names of users without a password, the most followed first."""
    connection = await connect_as_owner(url)
    try:
        return await seeding.list_users(connection, amount)
    finally:
        await connection.close()


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
    connection = await connect_as_owner(url)
    try:
        sessions = await open_sessions(connection, usernames, create=create, without_password=without_password)
    finally:
        await connection.close()
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
    weights = [1 / rank for rank in range(1, len(ids) + 1)]
    each = min(FOLLOWS_PER_USER, len(ids) - 1)
    pairs: set[tuple[int, int]] = set()
    for follower in ids:
        # The most popular is followed by nearly everybody.
        chosen = {ids[0], *random.choices(ids, weights, k=each)} - {follower}
        pairs.update((follower, followee) for followee in chosen)
    return sorted(pairs)


def _posts(ids: Sequence[int]) -> Iterator[tuple[int, str, list[str]]]:
    while True:
        text = random.choice(TEXTS)
        yield random.choice(ids), text, hashtags(text)
