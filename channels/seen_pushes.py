"""Drops repeated pushes to users that are in no inbox: this node remembers which ones it has delivered lately."""

MOST = 25_000


class SeenPushes:
    """Remembers at least the last `most` pairs of push and user, at most twice as many."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._newer: set[tuple[str, int]] = set()
        self._older: set[tuple[str, int]] = set()

    def add(self, push_id: str, user_id: int) -> bool:
        """Return whether the pair is new."""
        pair = push_id, user_id
        if pair in self._newer or pair in self._older:
            return False
        if len(self._newer) >= self._most:
            self._newer, self._older = set(), self._newer
        self._newer.add(pair)
        return True
