"""How far this process has pushed the messages of each chat, so that it does not push them for the next event again.

What it forgets is pushed again, which clients do not see: an inbox takes the id of a push once.
"""

from collections import OrderedDict

MOST_KEPT = 10_000


class PushedChats:
    def __init__(self) -> None:
        self._seqs: OrderedDict[int, int] = OrderedDict()  # by chat, the most recently added at the end

    def includes(self, chat_id: int, seq: int) -> bool:
        return self._seqs.get(chat_id, 0) >= seq

    def note(self, chat_id: int, seq: int) -> None:
        self._seqs[chat_id] = max(seq, self._seqs.get(chat_id, 0))
        self._seqs.move_to_end(chat_id)
        if len(self._seqs) > MOST_KEPT:
            self._seqs.popitem(last=False)
