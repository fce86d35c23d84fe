"""A recovered client gets the channels that are still open to it, missed pushes in order, and snapshots."""

import pytest
from msgspec.structs import replace

from channels.hooks import Hooks, HooksByKind, RecoveredClient, Rejoined
from channels.kinds import Kind, Kinds
from channels.members import Hiding, Members
from channels.messages import FOR_GOOD, Written
from channels.recovery import Claimed, Offset, WatchedChannel
from domain.subject_channels import PERSON
from gateway import replay as module
from gateway.replay import Recovered, Replay
from tests.channels.people import Socket, act, stage, user

BOOK, FILM, NOISE = Kind("book", "keep"), Kind("film", "keep"), Kind("noise", "keep", is_logged=False)
LAST = Offset(0, 100)
ALWAYS = Hiding(FOR_GOOD, 0)


def push(push_id: str, clock: int, **changes) -> Written:
    return replace(act(push_id), channel="", offset=clock, **changes)


class Returning(Hooks):
    """Records who returns, and answers what the test sets."""

    def __init__(self) -> None:
        self.clients: list[RecoveredClient] = []
        self.answer = Rejoined()

    async def rejoin(self, client: RecoveredClient) -> Rejoined:
        self.clients.append(client)
        return self.answer


class World:
    """The services of a replay: all channels in `open` may be rejoined, and `logs` hold what was published."""

    def __init__(self) -> None:
        self.open: set[str] = set()
        self.logs: dict[str, list[Written] | None] = {}
        self.asked: list[tuple[int, set[str]]] = []
        self.since: dict[str, Offset] = {}
        self.members = Members(Kinds(BOOK, FILM, NOISE))
        self.books, self.films = Returning(), Returning()
        kinds = Kinds(BOOK, FILM, NOISE)
        hooks = HooksByKind(kinds, {BOOK: self.books, FILM: self.films})
        self.replay = Replay(self.members, self, self, self, kinds, hooks)
        self.reader = Socket(1)
        self.members.add(self.reader)

    async def open_to(self, user_id: int, channels: set[str]) -> set[str]:
        self.asked.append((user_id, channels))
        return self.open & channels

    async def join(self, member: Socket, channel: str, owner_id: int) -> None:
        self.members.join(member, channel, owner_id)

    def leave(self, member: Socket, channel: str) -> None:
        self.members.leave(member, channel)

    def first_missed(self, user_id: int, channel: str, watched: WatchedChannel, last: Offset) -> Offset:
        return Offset(last.shard, max(last.clock, watched.joined))

    async def read_channels(self, since: dict[str, Offset]) -> dict[str, list[Written] | None]:
        self.since = since
        return {channel: self.logs.get(channel, []) for channel in since}

    async def recover(self, missed: list[Written] = (), **channels: int) -> Recovered | None:
        """channels: those in the session's record, `book_1` for `book:1`, with the clocks when they were joined."""
        watched = {name.replace("_", ":"): WatchedChannel(9, joined) for name, joined in channels.items()}
        self.claimed = Claimed(LAST, 3, watched, [*missed])
        return await self.replay.recover(self.reader, self.claimed, LAST, user(1))


@pytest.fixture
def world() -> World:
    return World()


def ids(pushes: list[Written]) -> list[str]:
    return [written.id for written in pushes]


async def test_open_channels_are_rejoined_and_read_since_the_client_or_its_joining(world):
    world.open = {"book:1", "film:1"}
    world.logs = {"book:1": [push("late", 300)], "film:1": [push("early", 200)]}
    recovered = await world.recover(book_1=50, book_2=50, film_1=150)
    assert world.asked == [(1, {"book:1", "book:2", "film:1"})]
    assert world.reader.channels == {"book:1": 9, "film:1": 9}
    assert world.since == {"book:1": Offset(0, 100), "film:1": Offset(0, 150)}
    assert (ids(recovered.missed), recovered.now) == (["early", "late"], [])


async def test_channels_joined_at_sign_in_are_read_too(world):
    world.members.join(world.reader, "book:7", 9)
    world.logs = {"book:7": [push("from its author", 200)]}
    assert ids((await world.recover()).missed) == ["from its author"]
    assert world.since == {"book:7": LAST}


async def test_channels_without_a_log_are_rejoined_and_not_read(world):
    world.open = {"noise:1"}
    await world.recover(noise_1=50)
    assert (world.reader.channels, world.since) == ({"noise:1": 9}, {})


async def test_missed_pushes_about_a_channel_need_the_right_to_it(world):
    world.open = {"book:1"}
    missed = [
        push("plain", 101), push("seen", 102, about="book:1"), push("not seen", 103, about="book:2"),
    ]  # fmt: skip
    assert ids((await world.recover(missed)).missed) == ["plain", "seen"]
    assert world.asked == [(1, {"book:1", "book:2"})]


async def test_logged_pushes_about_something_need_the_right_to_it_now(world):
    world.open = {"book:1", "film:1"}
    world.logs = {"book:1": [push("seen", 101, about="film:1"), push("withheld since", 102, about="film:2")]}
    assert ids((await world.recover(book_1=50)).missed) == ["seen"]
    assert world.asked == [(1, {"book:1"}), (1, {"film:1", "film:2"})]


async def test_a_push_is_not_replayed_to_the_user_whom_it_is_kept_from(world):
    world.open = {"book:1"}
    world.logs = {"book:1": [push("for all", 101), push("for others", 102, not_to=1), push("for one", 103, only_to=2)]}
    assert ids((await world.recover(book_1=50)).missed) == ["for all"]


async def test_a_log_that_does_not_reach_back_ends_the_recovery(world):
    world.open = {"book:1", "book:2"}
    world.logs = {"book:1": None, "book:2": [push("two", 200)]}
    assert await world.recover(book_1=50, book_2=50) is None


async def test_a_replay_is_bounded_by_its_size(world, monkeypatch):
    missed = [push("one", 101), push("two", 102)]
    monkeypatch.setattr(module, "LARGEST_REPLAY", sum(len(each.json) for each in missed))
    assert ids((await world.recover(missed)).missed) == ["one", "two"]
    monkeypatch.setattr(module, "LARGEST_REPLAY", module.LARGEST_REPLAY - 1)
    assert await world.recover(missed) is None


def test_the_bound_is_the_documented_one():
    assert module.LARGEST_REPLAY == 4 * 1024 * 1024


async def test_pushes_by_hidden_users_are_dropped_and_hidden_users_removed_from_others(world):
    world.members.set_hiding(1, 7, ALWAYS)
    world.open = {PERSON.channel(7), PERSON.channel(8)}
    shows = replace(stage("stage", "", [7, 8]), offset=102)
    missed = [push("hidden", 101, actor_id=7), shows, push("shown", 103, actor_id=8)]
    recovered = await world.recover(missed)
    assert ids(recovered.missed) == ["stage", "shown"]
    assert b"user7" not in recovered.missed[0].json
    assert b"user8" in recovered.missed[0].json
    assert recovered.missed[1] is missed[2]  # not encoded again


async def test_users_whom_nobody_sees_any_more_are_removed_from_what_was_missed(world):
    world.open = {"book:1", PERSON.channel(8)}
    world.logs = {"book:1": [replace(stage("logged", "", [7]), offset=103)]}
    recovered = await world.recover([replace(stage("stage", "", [7, 8]), offset=102)], book_1=50)
    assert ids(recovered.missed) == ["stage", "logged"]
    assert not any(b"user7" in each.json for each in recovered.missed)
    assert b"user8" in recovered.missed[0].json


async def test_each_kind_returns_its_own_channels(world):
    """Also those that are closed to the user: the kind tells why."""
    world.open = {"book:1"}
    snapshots = [act("of a book"), act("of a film")]
    world.books.answer, world.films.answer = Rejoined([snapshots[0]]), Rejoined([snapshots[1]])
    missed = [push("missed", 101)]
    recovered = await world.recover(missed, book_1=50, book_2=60, film_1=70)
    assert recovered.now == snapshots
    [books], [films] = world.books.clients, world.films.clients
    assert books == RecoveredClient(
        world.reader, user(1), 3, {"book:1": WatchedChannel(9, 50), "book:2": WatchedChannel(9, 60)}, {"missed"}
    )
    assert films.channels == {"film:1": WatchedChannel(9, 70)}


async def test_kinds_without_channels_are_not_asked(world):
    await world.recover(film_1=70)
    assert (world.books.clients, len(world.films.clients)) == ([], 1)


async def test_channels_that_their_kind_refuses_are_left_and_not_read(world):
    world.open = {"book:1", "book:2", "book:3"}
    world.books.answer = Rejoined([], ["book:1", "book:2"])
    await world.recover(book_1=50, book_2=50, book_3=50)
    assert world.reader.channels == {"book:3": 9}
    assert {*world.since} == {"book:3"}
