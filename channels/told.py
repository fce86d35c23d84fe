"""Pushes to users that Redis does not keep: this node drops those that it has lately told, if a worker repeats them."""

MOST = 25_000


class Told:
    """Remembers at least the last `most` pairs of push and user, at most twice as many."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._newer: set[tuple[str, int]] = set()
        self._older: set[tuple[str, int]] = set()

    def add(self, push_id: str, user_id: int) -> bool:
        """Returns whether it is new."""
        pair = push_id, user_id
        if pair in self._newer or pair in self._older:
            return False
        if len(self._newer) >= self._most:
            self._newer, self._older = set(), self._newer
        self._newer.add(pair)
        return True
