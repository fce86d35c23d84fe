"""Hooks are found by kind; a kind that declares none has hooks that do nothing."""

from channels.hooks import Hooks, HooksByKind, RecoveredClient, Rejoined
from channels.kinds import Kind, Kinds
from tests.channels.people import Socket, user

BOOK, FILM = Kind("book", "keep"), Kind("film", "keep")


async def test_hooks_are_those_of_the_kind_of_a_channel():
    ours = Hooks()
    hooks = HooksByKind(Kinds(BOOK, FILM), {BOOK: ours})
    assert hooks.of("book:1") is hooks.of_kind(BOOK) is ours
    assert hooks.of("film:1") is hooks.of_kind(FILM) is not ours


async def test_a_kind_without_hooks_keeps_its_users_and_adds_nothing_to_a_recovery():
    nothing = HooksByKind(Kinds(BOOK), {}).of("book:1")
    assert nothing.informed(1, "book:1", b"note") is False
    assert await nothing.rejoin(RecoveredClient(Socket(1), user(1), 1, {}, ())) == Rejoined((), ())
