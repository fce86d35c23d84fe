"""Calls of conversations beside their SQL: reactions, comments, chats."""

import itertools
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from bench.measure import Row, timed
from protocol.events import CommentCreatedEvent, ReactionSetEvent
from protocol.reactions import ReactionKind
from storage import chat_messages, comments, reactions
from tests.cluster import Cluster
from tests.people import Person

ROUNDS = 300
COMMENTS = 1_000
REPLIED = 50  # how many of these have replies
MESSAGES = 1_000
KINDS: Iterator[ReactionKind] = itertools.cycle(("like", "love"))  # each call changes the reaction

WRITES, READS = "30/60/100", "40/80/150"
Work = Callable[[int], Awaitable[object]]


class Conversations:
    """Alice reacts to and comments on Bob's post, and they talk in a chat."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._mint = cluster.stores.ids.mint
        self._outbox = cluster.nodes["a"].parts.services.outbox

    async def run(self) -> list[Row]:
        self._alice, bob = await self._cluster.person("alice"), await self._cluster.person("bob")
        await bob.call("graph.follow", user_id=self._alice.id)
        self._post = int((await bob.call("post.create", text="what do you think?"))["id"])
        self._chat = int((await self._alice.call("chat.open", user_ids=[bob.id]))["chat"]["id"])
        self._bare: Any = await self._cluster.as_app(self._alice.id)
        await self._fill(bob)
        rows = [
            await self._row("reaction.set", self._react, "insert of reaction and event", self._bare_react, WRITES),
            await self._row("comment.create", self._comment, "insert of comment and event", self._bare_comment, WRITES),
            await self._row(
                "comment.list, page of 20", self._list_comments, "its query", self._bare_list_comments, READS
            ),
            await self._row("chat.send", self._send, "its statement", self._bare_send, WRITES),
            await self._row("chat.history, page of 20", self._history, "its query", self._bare_history, READS),
        ]
        await self._bare.close()
        return rows

    async def _fill(self, bob: Person) -> None:
        owner = await self._cluster.owner()
        ids = [self._mint() for _ in range(COMMENTS)]
        parents = [None] * (COMMENTS - REPLIED) + ids[:REPLIED]
        await owner.executemany(
            "INSERT INTO comments (id, post_id, parent_id, author_id, text) VALUES ($1, $2, $3, $4, 'a comment')",
            [(comment, self._post, parent, int(bob.id)) for comment, parent in zip(ids, parents, strict=True)],
        )
        for start in range(0, MESSAGES, 100):
            await owner.fetch(_SEND, self._chat, [int(self._alice.id)] * 100, [f"message {start}"] * 100)
        await owner.execute("ANALYZE comments, chat_messages")
        await owner.close()

    async def _row(self, what: str, ours: Work, bare_what: str, bare: Work, target: str) -> Row:
        timing = await timed(what, ours, ROUNDS)
        return Row(what, timing, bare_what, await timed("bare", bare, ROUNDS), target)

    # ------------------------------------------------------------------------------------------ calls

    async def _react(self, _: int) -> None:
        await self._alice.call("reaction.set", target_type="post", target_id=str(self._post), kind=next(KINDS))

    async def _comment(self, number: int) -> None:
        await self._alice.call("comment.create", post_id=str(self._post), text=f"comment {number}")

    async def _list_comments(self, _: int) -> None:
        await self._alice.call("comment.list", post_id=str(self._post))

    async def _send(self, number: int) -> None:
        await self._alice.call("chat.send", chat_id=str(self._chat), text=f"message {number}")

    async def _history(self, _: int) -> None:
        await self._alice.call("chat.history", chat_id=str(self._chat))

    # ------------------------------------------------------------------------------------------ their SQL

    async def _bare_react(self, _: int) -> None:
        async with self._bare.transaction():
            await reactions.set_kind(
                self._bare,
                id=self._mint(),
                target_type="post",
                target_id=self._post,
                user_id=int(self._alice.id),
                kind=(kind := next(KINDS)),
            )
            await self._outbox.add(
                self._bare,
                ReactionSetEvent(
                    target_type="post", target_id=self._post, post_id=self._post, user_id=int(self._alice.id), kind=kind
                ),
            )

    async def _bare_comment(self, number: int) -> None:
        async with self._bare.transaction():
            comment_id = self._mint()
            await comments.insert(
                self._bare,
                id=comment_id,
                post_id=self._post,
                parent_id=None,
                author_id=int(self._alice.id),
                text=f"comment {number}",
                mention_ids=[],
            )
            await self._outbox.add(
                self._bare,
                CommentCreatedEvent(comment_id=comment_id, post_id=self._post, author_id=int(self._alice.id)),
            )

    async def _bare_list_comments(self, _: int) -> None:
        await comments.load_page(self._bare, self._post, None, 2**63 - 1, 20)

    async def _bare_send(self, number: int) -> None:
        await self._bare.fetch(_SEND, self._chat, [int(self._alice.id)], [f"message {number}"])

    async def _bare_history(self, _: int) -> None:
        await chat_messages.load_history(self._bare, self._chat, before=2**31 - 1, after=None, around=None, limit=20)


_SEND = """
    SELECT sent.* FROM (SELECT ARRAY [cardinality($2::bigint[])] AS length) drafts, send_chat_messages(
        $1, $2, $3, array_fill(NULL::integer, length), array_fill(NULL::text, length), array_fill(NULL::bytea, length),
        array_fill(true, length)) sent
"""
