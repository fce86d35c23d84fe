"""Which chats the other user has not accepted. Accepted ones are remembered, so each is asked about once."""

from collections import OrderedDict

from storage.database import Transaction

MOST_REMEMBERED = 100_000


class StrangerChats:
    def __init__(self) -> None:
        self._accepted: OrderedDict[int, None] = OrderedDict()

    def is_known(self, chat_id: int) -> bool:
        """Whether the chat is known to be accepted by all."""
        if chat_id not in self._accepted:
            return False
        self._accepted.move_to_end(chat_id)
        return True

    async def ask(self, tx: Transaction, chat_id: int) -> bool:
        """Whether the viewer is in the chat, and the other user has not accepted it."""
        waits: bool | None = await tx.fetchval("SELECT chat_waits($1)", chat_id)
        if waits is False:
            self._accepted[chat_id] = None
            if len(self._accepted) > MOST_REMEMBERED:
                self._accepted.popitem(last=False)
        return bool(waits)
