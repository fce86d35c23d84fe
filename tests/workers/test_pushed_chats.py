"""What a worker remembers of the messages that it has pushed."""

from workers import pushed_chats
from workers.pushed_chats import PushedChats


def test_messages_up_to_the_last_one_were_pushed():
    pushed = PushedChats()
    assert not pushed.includes(1, 1)
    pushed.note(1, 5)
    assert [pushed.includes(1, seq) for seq in (4, 5, 6)] == [True, True, False]
    assert not pushed.includes(2, 1)


def test_an_older_message_takes_nothing_back():
    pushed = PushedChats()
    pushed.note(1, 5)
    pushed.note(1, 3)
    assert pushed.includes(1, 5)


def test_the_chat_that_was_noted_first_is_forgotten(monkeypatch):
    monkeypatch.setattr(pushed_chats, "MOST_KEPT", 2)
    pushed = PushedChats()
    for chat_id in (1, 2, 1, 3):
        pushed.note(chat_id, 1)
    assert [pushed.includes(chat_id, 1) for chat_id in (1, 2, 3)] == [True, False, True]
