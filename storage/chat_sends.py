"""Sends messages to chats in batches: those that wait for the same chat go in one transaction, with one lock."""

import itertools
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from storage.batches import Batches
from storage.database import Database, DatabaseUnavailable
from storage.outbox import Outbox
from tracing import traces

Verdict = Literal["sent", "kept", "again", "used", "missing", "requested", "waiting", "limit", "reply", "media"]


class Draft(NamedTuple):
    """A message to send. `may_spend`: whether the sender's limit admits it; otherwise it can only be a repetition.

    `number` makes two equal drafts differ.
    """

    number: int
    sender_id: int
    text: str
    reply_to_seq: int | None
    key: str | None
    request_hash: bytes
    may_spend: bool
    media_ids: tuple[int, ...]


class Sent(NamedTuple):
    """The verdict of `send_chat_messages`. seq and created_at are None unless the message was sent, now or before.

    unusable: with the verdict "media", the first place in `media_ids` that cannot be used.
    """

    verdict: Verdict
    seq: int | None
    created_at: datetime | None
    unusable: int | None


class ChatSends:
    """Built once a process."""

    def __init__(self, database: Database, outbox: Outbox) -> None:
        self._database = database
        self._outbox = outbox
        self._numbers = itertools.count()
        self._batches = Batches(self._send)

    async def send(
        self, chat_id: int, sender_id: int, text: str, reply_to_seq: int | None, key: str | None, request_hash: bytes,
        *, may_spend: bool, media_ids: Sequence[int] = (),
    ) -> Sent:  # fmt: skip
        """Raises DatabaseUnavailable."""
        while True:
            draft = Draft(
                next(self._numbers), sender_id, text, reply_to_seq, key, request_hash, may_spend, tuple(media_ids)
            )
            sent = await self._batches.answer(chat_id, draft)
            if sent is None:
                raise DatabaseUnavailable("a message got no answer")
            if sent.verdict != "again":  # a draft with the same key or file stood before it in the batch
                return sent

    async def _send(self, chat_id: int, drafts: Sequence[Draft]) -> Mapping[Draft, Sent]:
        rows = await self._database.fetch(
            # The function depends on `trace`, so that its event finds the setting.
            """SELECT sent.* FROM set_config('app.trace', $9, true) AS trace,
            send_chat_messages(CASE WHEN trace IS NOT NULL THEN $1::bigint END, $2, $3, $4, $5, $6, $7, $8) AS sent""",
            chat_id,
            [draft.sender_id for draft in drafts],
            [draft.text for draft in drafts],
            [draft.reply_to_seq for draft in drafts],
            [draft.key for draft in drafts],
            [draft.request_hash for draft in drafts],
            [draft.may_spend for draft in drafts],
            # An array of arrays would have to be rectangular.
            [f"{{{','.join(map(str, draft.media_ids))}}}" if draft.media_ids else None for draft in drafts],
            traces.current_context(),
        )
        self._outbox.wake_relay()
        return {drafts[number - 1]: Sent(*sent) for number, *sent in rows}
