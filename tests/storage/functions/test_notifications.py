"""Notifications, by the database functions alone: who is told, how groups form, and what a user may see of them."""

import itertools
import random
from collections.abc import Sequence
from itertools import count

import pytest

from tests.storage.functions.rows import Rows

new_ids = count(10**6)


async def tell(
    rows: Rows, kind: str, actor: int, *people: int, target: tuple[str, int] | None = None, event: int = 1
) -> list[int]:
    """Notify people of the actor's act, after it; return those who are told in the list."""
    type_, target_id = target or ("user", actor)
    for person in people:
        await act(rows, kind, actor, person, target_id)
    ids = [next(new_ids) for _ in people]
    told = await rows.list(None, "notify", event, kind, type_, target_id, actor, list(people), ids)
    return sorted(each["user_id"] for each in told if each["place"] == "list")


async def act(rows: Rows, kind: str, actor: int, person: int, target_id: int) -> None:
    """Add the row of a follow or a reaction to a post, if it is missing: without it, nobody is told."""
    if kind == "follow" and not await rows.table(
        "SELECT FROM follows WHERE follower_id = $1 AND followee_id = $2", actor, person
    ):
        await rows.follow(actor, person)
    if kind == "reaction" and not await rows.table(
        "SELECT FROM reactions WHERE user_id = $1 AND target_id = $2", actor, target_id
    ):
        await rows.react(actor, target_id, target_type="post")


async def recheck(rows: Rows, kind: str, type_: str, target_id: int, actor: int, person: int) -> bool:
    return bool(await rows.ask(None, "recheck_cause", kind, type_, target_id, actor, person))


async def shown(rows: Rows, person: int) -> list[tuple[int, int, list[int]]]:
    """The person's notifications, newest first: id, number of actors, and the actors."""
    ids = await rows.table(
        "SELECT id FROM notifications WHERE user_id = $1 AND place = 'list' ORDER BY id DESC", person
    )
    found = await rows.table(
        """SELECT (found).id, shown_count, ARRAY (SELECT id FROM unnest(actors) WITH ORDINALITY ORDER BY ordinality)
        FROM notifications_shown_to($1, $2) ORDER BY 1 DESC""",
        person,
        [each for (each,) in ids],
    )
    return [tuple(each) for each in found]


async def prefer(rows: Rows, person: int, **preferences: object) -> None:
    await rows.add("notification_preferences", user_id=person, **preferences)


async def test_a_user_is_told_once_of_a_cause(rows: Rows):
    alice, bob, carol = await rows.users(3)
    assert await tell(rows, "mention", alice, bob, carol) == [bob, carol]
    assert await shown(rows, bob) != []
    before = await rows.table("SELECT id, updated_at, actor_count FROM notifications ORDER BY id")
    # The same event within ten minutes returns what was told, so that a lost push is repeated, and changes nothing.
    assert await tell(rows, "mention", alice, bob, carol) == [bob, carol]
    assert await tell(rows, "mention", alice, bob, carol, event=2) == []
    await rows.connection.execute("UPDATE notification_causes SET created_at = now() - interval '11 minutes'")
    assert await tell(rows, "mention", alice, bob, carol) == []
    assert await rows.table("SELECT id, updated_at, actor_count FROM notifications ORDER BY id") == before


async def test_nobody_is_told_of_an_own_act(rows: Rows):
    alice, bob = await rows.users(2)
    assert await tell(rows, "mention", alice, alice, bob) == [bob]


async def test_inactive_users_are_not_told_nor_later(rows: Rows):
    alice, bob = await rows.user(), await rows.user(status="suspended")
    assert await tell(rows, "mention", alice, bob) == []
    await rows.connection.execute("UPDATE users SET status = 'active' WHERE id = $1", bob)
    assert await tell(rows, "mention", alice, bob) == []


@pytest.mark.parametrize("hidden", ["blocker", "blocked", "muter"])
async def test_users_who_hide_the_actor_are_not_told_nor_later(rows: Rows, hidden: str):
    alice, bob, carol = await rows.users(3)
    match hidden:
        case "blocker":
            await rows.block(bob, alice)
        case "blocked":
            await rows.block(alice, bob)
        case "muter":
            await rows.mute(bob, alice)
    assert await tell(rows, "mention", alice, bob, carol) == [carol]
    await rows.connection.execute("DELETE FROM blocks")
    await rows.connection.execute("DELETE FROM mutes")
    assert await tell(rows, "mention", alice, bob) == []  # a replay of the event


async def test_a_mute_that_is_over_or_of_posts_hides_no_follower(rows: Rows):
    alice, bob, carol = await rows.users(3)
    await rows.mute(bob, alice, until=await rows.now(hours=-1))
    await rows.mute(carol, alice, "posts")
    assert await tell(rows, "follow", alice, bob, carol) == [bob, carol]


@pytest.mark.parametrize(
    ("visibility", "told"), [("public", "follower stranger"), ("followers", "follower"), ("private", "")]
)
async def test_only_users_who_may_see_the_post_are_told(rows: Rows, visibility: str, told: str):
    author, actor = await rows.users(2)
    audience = await rows.audience(author)
    post = await rows.post(author, visibility)
    people = {audience[name]: name for name in ("follower", "stranger")}
    found = await tell(rows, "comment", actor, *people, target=("post", post))
    assert {people[each] for each in found} == set(told.split())


async def test_a_deleted_post_hides_its_notifications(rows: Rows):
    author, actor = await rows.users(2)
    post = await rows.post(author)
    await tell(rows, "reaction", actor, author, target=("post", post))
    assert len(await shown(rows, author)) == await rows.ask(author, "unseen_count") == 1
    await rows.connection.execute("UPDATE posts SET status = 'deleted' WHERE id = $1", post)
    assert await shown(rows, author) == []
    assert await rows.ask(author, "unseen_count") == 0


async def test_only_users_who_may_see_the_room_are_told(rows: Rows):
    host = await rows.user()
    audience = await rows.audience(host)
    room = await rows.room(host, "followers")
    assert await tell(rows, "room_live", host, *audience.values(), target=("room", room)) == [audience["follower"]]


async def test_mentions_follow_the_settings_of_who_is_mentioned(rows: Rows):
    alice, bob, carol = await rows.users(3)
    for person, setting in ((bob, "nobody"), (carol, "everyone")):
        await rows.add("accounts", user_id=person, email=str(person), email_key=str(person), mentions_from=setting)
    assert await tell(rows, "mention", alice, bob, carol) == [carol]


@pytest.mark.parametrize(
    ("strangers", "new_accounts", "of_stranger", "of_newcomer"),
    [
        ("accept", "accept", "list", "list"),
        ("filter", "accept", "filtered", "filtered"),
        ("accept", "filter", "list", "filtered"),
        ("filter", "drop", "filtered", "dropped"),
        ("drop", "filter", "dropped", "dropped"),
    ],
)
async def test_policies_for_strangers_and_new_accounts(
    rows: Rows, strangers: str, new_accounts: str, of_stranger: str, of_newcomer: str
):
    alice, newcomer = await rows.users(2)
    stranger = await rows.user(created_at=await rows.now(hours=-73))
    friend = await rows.user()
    await rows.follow(alice, friend)
    await prefer(rows, alice, strangers=strangers, new_accounts=new_accounts)
    for actor, expected in ((stranger, of_stranger), (newcomer, of_newcomer), (friend, "list")):
        await tell(rows, "mention", actor, alice)
        places = await rows.table("SELECT place FROM notifications WHERE actor_ids = ARRAY [$1::bigint]", actor)
        assert places == ([] if expected == "dropped" else [(expected,)])
    await prefer_all(rows, alice)
    for actor in (stranger, newcomer):  # a replay after the policy was changed
        before = await rows.table("SELECT id, place FROM notifications ORDER BY id")
        await tell(rows, "mention", actor, alice)
        assert await rows.table("SELECT id, place FROM notifications ORDER BY id") == before


async def prefer_all(rows: Rows, person: int) -> None:
    await rows.connection.execute(
        "UPDATE notification_preferences SET strangers = 'accept', new_accounts = 'accept' WHERE user_id = $1", person
    )


async def test_an_acceptance_is_never_kept_back(rows: Rows):
    alice, bob = await rows.users(2)
    await prefer(rows, alice, strangers="drop")
    assert await tell(rows, "acceptance", bob, alice) == [alice]


async def test_what_was_kept_back_is_accepted_or_dismissed_by_its_user_alone(rows: Rows):
    alice, bob, carol, dina = await rows.users(4)
    await prefer(rows, alice, strangers="filter")
    for actor in (bob, carol):
        assert await tell(rows, "mention", actor, alice) == []
    found = await rows.table("SELECT id FROM notifications WHERE user_id = $1 ORDER BY id", alice)
    ids = [each for (each,) in found]
    assert await rows.list(dina, "settle_filtered", ids, True) == []
    assert await rows.list(alice, "settle_filtered", ids[:1], True) == ids[:1]
    assert await rows.list(alice, "settle_filtered", ids, False) == ids[1:]
    assert [actors for _, _, actors in await shown(rows, alice)] == [[bob]]
    assert await rows.list(alice, "settle_filtered", ids, False) == []


# ---------------------------------------------------------------------------------------------- groups


class Model:
    """The groups of one target: the newest first, each a list of actors, the newest first."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.is_open = False
        self.known: set[int] = set()
        self.withdrawn: set[int] = set()

    def act(self, actor: int) -> None:
        self.withdrawn.discard(actor)
        if actor in self.known:
            return
        self.known.add(actor)
        if self.is_open:
            self.groups[0].insert(0, actor)
        else:
            self.groups.insert(0, [actor])
            self.is_open = True

    def withdraw(self, actor: int) -> None:
        if actor in self.known:
            self.withdrawn.add(actor)
            if self.groups[0] and not self._left(self.groups[0]):
                self.close()

    def close(self) -> None:
        self.is_open = False

    def shown(self) -> list[tuple[int, list[int]]]:
        """The number of actors of each group, and the newest eight."""
        left = [self._left(group) for group in self.groups]
        return [(len(each), each[:8]) for each in left if each]

    def _left(self, group: list[int]) -> list[int]:
        return [actor for actor in group if actor not in self.withdrawn]


@pytest.mark.parametrize("seed", range(8))
async def test_groups_form_as_in_the_model(rows: Rows, seed: int):
    """Actors react and withdraw it, while the user sees the list, reads, and twelve hours pass."""
    choose = random.Random(seed)
    alice, *actors = await rows.users(16)
    posts = [await rows.post(alice) for _ in range(2)]
    models = {post: Model() for post in posts}
    for moment in range(120):
        post, actor = choose.choice(posts), choose.choice(actors)
        match choose.choices(["act", "withdraw", "see", "read", "wait"], [20, 8, 1, 1, 1])[0]:
            case "act":
                await tell(rows, "reaction", actor, alice, target=("post", post))
                await recheck(rows, "reaction", "post", post, actor, alice)
                await rows.connection.execute(
                    """UPDATE notification_causes SET created_at = now() + $3 * interval '1 second'
                    WHERE actor_id = $1 AND target_id = $2 AND created_at = now()""",
                    actor, post, moment + 1,
                )  # fmt: skip
                models[post].act(actor)
            case "withdraw":
                await rows.connection.execute(
                    "DELETE FROM reactions WHERE user_id = $1 AND target_id = $2", actor, post
                )
                await recheck(rows, "reaction", "post", post, actor, alice)
                models[post].withdraw(actor)
            case "see":
                await rows.list(alice, "see_notifications", next(new_ids))
                for model in models.values():
                    model.close()
            case "read":
                newest = await rows.table(
                    "SELECT id FROM notifications WHERE target_id = $1 ORDER BY id DESC LIMIT 1", post
                )
                await rows.list(alice, "read_notifications", [each for (each,) in newest])
                models[post].close()
            case "wait":
                await rows.connection.execute("UPDATE notifications SET first_at = first_at - interval '12 hours'")
                for model in models.values():
                    model.close()
        await compare(rows, alice, models)


async def compare(rows: Rows, person: int, models: dict[int, Model]) -> None:
    found: dict[int, list[tuple[int, list[int]]]] = {post: [] for post in models}
    targets = dict(await rows.table("SELECT id, target_id FROM notifications WHERE user_id = $1", person))
    for notification, amount, actors in await shown(rows, person):
        found[targets[notification]].append((amount, actors))
    assert found == {post: model.shown() for post, model in models.items()}


async def test_a_withdrawn_reaction_leaves_its_notification_and_returns_quietly(rows: Rows):
    alice, bob = await rows.users(2)
    post = await rows.post(alice)
    cause = ("reaction", "post", post, bob, alice)
    assert await tell(rows, "reaction", bob, alice, target=("post", post)) == [alice]
    [before] = await shown(rows, alice)
    assert not await recheck(rows, *cause)
    await rows.connection.execute("DELETE FROM reactions WHERE user_id = $1", bob)
    assert await recheck(rows, *cause)
    assert not await recheck(rows, *cause)
    assert await shown(rows, alice) == []
    assert await rows.ask(alice, "unseen_count") == 0
    assert await tell(rows, "reaction", bob, alice, target=("post", post), event=2) == []
    assert await recheck(rows, *cause)
    assert await shown(rows, alice) == [before]


async def test_a_reaction_that_was_withdrawn_before_is_not_told(rows: Rows):
    """It was read before the withdrawal, whose event found no cause."""
    alice, bob = await rows.users(2)
    post = await rows.post(alice)
    told = await rows.list(None, "notify", 1, "reaction", "post", post, bob, [alice], [next(new_ids)])
    assert told == await rows.table("SELECT FROM notification_causes WHERE user_id = $1", alice) == []


async def test_replies_are_never_grouped(rows: Rows):
    alice, *actors = await rows.users(4)
    post = await rows.post(alice)
    for actor in actors:
        await tell(rows, "reply", actor, alice, target=("post", post))
    assert [amount for _, amount, _ in await shown(rows, alice)] == [1, 1, 1]


async def test_a_user_may_turn_grouping_off(rows: Rows):
    alice, *actors = await rows.users(4)
    await prefer(rows, alice, ungrouped=["follow"])
    for actor in actors:
        await tell(rows, "follow", actor, alice, target=("user", alice))
    assert [amount for _, amount, _ in await shown(rows, alice)] == [1, 1, 1]


async def group_of(rows: Rows, person: int, actors: Sequence[int]) -> None:
    for moment, actor in enumerate(actors):
        await tell(rows, "follow", actor, person, target=("user", person))
        await rows.connection.execute(
            "UPDATE notification_causes SET created_at = now() + $2 * interval '1 second' WHERE actor_id = $1",
            actor,
            moment,
        )


@pytest.mark.parametrize("others", [0, 20], ids=lambda others: f"{others} other hidden users")
@pytest.mark.parametrize("amount", [7, 8, 9, 12])
async def test_hidden_actors_are_not_shown_nor_counted(rows: Rows, amount: int, others: int):
    alice, *actors = await rows.users(1 + amount)
    for other in await rows.users(others):
        await rows.mute(alice, other)
    await group_of(rows, alice, actors)
    left = actors[::-1]
    hide = itertools.cycle([rows.block, lambda person, actor: rows.block(actor, person), rows.mute])
    for actor in random.Random(amount).sample(left, amount):
        assert [each[1:] for each in await shown(rows, alice)] == [(len(left), left[:8])]
        await next(hide)(alice, actor)
        left.remove(actor)
    assert await shown(rows, alice) == []
    assert await rows.ask(alice, "unseen_count") == 0


async def test_a_number_above_a_hundred_counts_hidden_actors(rows: Rows):
    alice, *actors = await rows.users(102)
    await group_of(rows, alice, actors)
    oldest, *newest = actors[0], *actors[:0:-1]
    await rows.mute(alice, newest[0])
    assert [each[1:] for each in await shown(rows, alice)] == [(101, newest[1:9])]
    await rows.connection.execute("DELETE FROM follows WHERE follower_id = $1", oldest)
    await recheck(rows, "follow", "user", alice, oldest, alice)
    assert [each[1:] for each in await shown(rows, alice)] == [(99, newest[1:9])]


async def test_unseen_notifications_are_counted_up_to_100(rows: Rows):
    alice, *actors = await rows.users(102)
    for actor in actors[:99]:
        await tell(rows, "mention", actor, alice)
    assert await rows.ask(alice, "unseen_count") == 99
    for actor in actors[99:]:
        await tell(rows, "mention", actor, alice)
    assert await rows.ask(alice, "unseen_count") == 100
    assert await rows.ask(actors[0], "unseen_count") == 0


async def test_seen_and_read(rows: Rows):
    alice, *actors = await rows.users(4)
    for actor in actors:
        await tell(rows, "mention", actor, alice)
    newest, middle, oldest = [each for each, _, _ in await shown(rows, alice)]
    assert await rows.list(actors[0], "see_notifications", newest) == []
    assert sorted(await rows.list(alice, "see_notifications", middle)) == [oldest, middle]
    assert await rows.list(alice, "see_notifications", middle) == []
    assert await rows.ask(alice, "unseen_count") == 1
    assert await rows.list(actors[0], "read_notifications", [newest]) == []
    assert sorted(await rows.list(alice, "read_notifications", [oldest, newest])) == [oldest, newest]
    assert await rows.list(alice, "read_notifications", [oldest, newest]) == []
    assert await rows.table(
        "SELECT id FROM notifications WHERE read_at IS NULL AND user_id = $1 AND seen_at IS NOT NULL", alice
    ) == [(middle,)]


async def test_devices_that_got_a_push_are_told_to_dismiss_it(rows: Rows):
    alice, bob, carol = await rows.users(3)
    for actor in (bob, carol):
        await tell(rows, "mention", actor, alice)
    newest, oldest = [each for each, _, _ in await shown(rows, alice)]
    for notification, outcome in ((newest, "dropped"), (oldest, "sent")):
        await rows.add(
            "notification_deliveries",
            notification_id=notification,
            channel="push",
            user_id=alice,
            due_at=await rows.now(),
            outcome=outcome,
        )
    await rows.list(alice, "see_notifications", newest)
    await rows.list(alice, "read_notifications", [newest, oldest])
    dismissed = (
        "SELECT notification_id, outcome FROM notification_deliveries WHERE channel = 'dismiss' AND user_id = $1"
    )
    assert await rows.table(dismissed, alice) == [(oldest, None)]


async def test_how_a_user_is_reached(rows: Rows):
    alice, bob = await rows.users(2)
    await rows.add("accounts", user_id=alice, email="a", email_key="a", locale="en", timezone="Asia/Riyadh")
    await prefer(rows, alice, channels='{"reply": {"push": false}}')
    found = {each["user_id"]: each for each in await rows.list(None, "notification_recipients", [alice, bob])}
    assert (found[alice]["locale"], found[alice]["timezone"]) == ("en", "Asia/Riyadh")
    assert found[alice]["channels"] == '{"reply": {"push": false}}'
    assert (found[bob]["locale"], found[bob]["timezone"], found[bob]["channels"]) == ("ar-EG", "Africa/Cairo", "{}")


async def test_the_text_that_a_notification_is_about(rows: Rows):
    alice = await rows.user()
    post = await rows.post(alice, text="ص" * 400)
    room = await rows.room(alice, topic="ليلة الكشري")
    session = await rows.session(alice, device_name="Pixel")
    for target, expected in (
        (("post", post), "ص" * 300),
        (("room", room), "ليلة الكشري"),
        (("session", session), "Pixel"),
    ):
        assert await rows.ask(None, "notification_detail", *target) == expected
    assert await rows.ask(None, "notification_detail", "user", alice) is None
