"""Many clients on two nodes write to one chat at once: dense numbers, one message for each key, one history for all."""

import asyncio
import random
from collections import Counter

from tests.cluster import Cluster
from tests.contract.test_chat_messages import say
from tests.contract.test_chats import create_group, entry
from tests.people import Person

CLIENTS = 6
MESSAGES = 60  # of each client


async def history(person: Person, chat_id: str) -> list[tuple[int, str, str]]:
    """Return number, sender and text of all messages."""
    found: list[tuple[int, str, str]] = []
    while True:
        page = await person.call("chat.history", chat_id=chat_id, after_seq=len(found), limit=100)
        found += [(item["seq"], item["sender_id"], item["text"]) for item in page["items"]]
        if page["to_seq"] == page["last_seq"]:
            return found


async def test_numbers_are_dense_and_keys_send_once(cluster: Cluster, person):
    people = [await person(f"user{number}", node="ab"[number % 2]) for number in range(CLIENTS)]
    chat_id = await create_group(*people)
    acked: dict[tuple[str, str], set[int]] = {}

    async def send(who: Person, text: str) -> None:
        """Each message is sent twice at once, as by a client that repeats a call too early."""
        calls = [who.call("chat.send", chat_id=chat_id, text=text, idempotency_key=text) for _ in range(2)]
        acked[who.id, text] = {answer["seq"] for answer in await asyncio.gather(*calls)}

    await asyncio.gather(*(send(who, f"message {number}") for who in people for number in range(MESSAGES)))
    total = CLIENTS * MESSAGES
    histories = [await history(who, chat_id) for who in people]
    assert [seq for seq, _, _ in histories[0]] == [*range(1, total + 1)]
    assert all(each == histories[0] for each in histories)
    assert {(sender, text): {seq} for seq, sender, text in histories[0]} == acked
    await cluster.settle(*people)
    for who in people:
        pushed = Counter(push["message"]["seq"] for push in who.heard("chat.message"))
        assert set(pushed) == set(range(1, total + 1))
    owner = await cluster.owner()
    statement = "SELECT count(*) FROM outbox WHERE topic = 'chat.message_sent' AND key = $1"
    assert await owner.fetchval(statement, chat_id) < total  # sends were combined
    await owner.close()


async def test_one_key_in_two_chats_at_once_sends_one_message(person):
    alice, bob = await person("alice"), await person("bob", node="b")
    chats = [await create_group(alice, bob) for _ in range(4)]
    for number in range(10):
        key = f"key {number}"
        calls = [
            alice.answer("chat.send", {"chat_id": chat_id, "text": "x", "idempotency_key": key}) for chat_id in chats
        ]
        answers = await asyncio.gather(*calls)
        assert sorted(answer["ok"] for answer in answers) == [False, False, False, True]
        assert {answer["error"]["code"] for answer in answers if not answer["ok"]} == {"ALREADY_EXISTS"}
    assert sum([(await entry(bob, chat_id))["chat"]["last_seq"] for chat_id in chats]) == 10


async def test_marks_follow_a_model(cluster: Cluster, person):
    """Two devices of each member mark at random, while others send, hide and delete messages."""
    rng = random.Random(12)
    people = [await person(f"user{number}", node="ab"[number % 2]) for number in range(3)]
    chat_id = await create_group(*people)
    devices = [[who, await cluster.again(who, node="a")] for who in people]
    sent: list[str] = []  # senders by number
    deleted: set[int] = set()
    hidden: dict[str, set[int]] = {who.id: set() for who in people}
    marks = {who.id: (0, 0) for who in people}

    for _ in range(150):
        number = rng.randrange(3)
        who, device = people[number], rng.choice(devices[number])
        act = rng.choice(["send", "mark", "mark", "hide", "delete", "mark at once"])
        if act == "send":
            assert await say(device, chat_id, "x") == [len(sent) + 1]
            sent.append(who.id)
        elif act.startswith("mark"):
            asked = [(rng.randint(1, len(sent) + 3), rng.randint(1, len(sent) + 3)) for _ in range(len(act) // 4)]
            await asyncio.gather(
                *(each.call("chat.mark", chat_id=chat_id, received_seq=received, read_seq=read)
                  for each, (received, read) in zip(devices[number] * 2, asked, strict=False))
            )  # fmt: skip
            read = max(marks[who.id][1], *(min(read, len(sent)) for _, read in asked))
            received = max(marks[who.id][0], read, *(min(received, len(sent)) for received, _ in asked))
            marks[who.id] = (received, read)
        elif sent:
            seq = rng.randint(1, len(sent))
            arguments = {"chat_id": chat_id, "seq": seq, "for": "me" if act == "hide" else "everyone"}
            answer = await device.answer("chat.delete", arguments)
            is_allowed = act == "hide" or sent[seq - 1] == who.id or who is people[0]
            assert answer["ok"] == is_allowed
            if is_allowed:
                (hidden[who.id] if act == "hide" else deleted).add(seq)
        shown = await entry(rng.choice(devices[number]), chat_id)
        received, read = marks[who.id]
        unread = [
            seq for seq, sender in enumerate(sent, 1)
            if seq > read and sender != who.id and seq not in deleted and seq not in hidden[who.id]
        ]  # fmt: skip
        assert (shown["received_seq"], shown["read_seq"], shown["unread"]) == (received, read, len(unread))
    await cluster.settle(*people)
    for who in people:
        pushed: dict[str, list[tuple[int, int]]] = {}
        for push in who.heard("chat.marked"):
            pushed.setdefault(push["user_id"], []).append((push["received_seq"], push["read_seq"]))
        assert {user: steps[-1] for user, steps in pushed.items()} == {
            user: mark for user, mark in marks.items() if user in pushed
        }
        assert all(steps == sorted(steps) for steps in pushed.values())
