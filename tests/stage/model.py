"""A model of a live room, independent of the product: one room, one action at a time.

Each action returns "OK" or the code of its refusal, and changes the model as the room must change.
"""

from dataclasses import dataclass, field

OK, DENIED, NOT_NOW, STALE = "OK", "PERMISSION_DENIED", "FAILED_PRECONDITION", "ABORTED"
RANKS = ("host", "cohost", "speaker", "listener")


@dataclass
class Model:
    """Users are numbers. `roles` is in the order of getting them, `hands` in the order of raising."""

    host: int
    capacity: int
    version: int
    inside: set[int] = field(default_factory=set)
    roles: dict[int, str] = field(default_factory=dict)
    hands: list[int] = field(default_factory=list)
    banned: set[int] = field(default_factory=set)
    muted: set[int] = field(default_factory=set)
    kicked: set[int] = field(default_factory=set)
    placed: set[int] = field(default_factory=set)  # users who have or had a role or a mute

    def role(self, person: int) -> str:
        return "host" if person == self.host else self.roles.get(person, "listener")

    def speakers(self, ids: list[int]) -> list[int]:
        """Return the users on the stage who are in the room, in the order that clients see. ids: of each user."""
        shown = [person for person in self.inside if self.role(person) != "listener"]
        return sorted(shown, key=lambda person: (RANKS.index(self.role(person)), ids[person]))

    # ------------------------------------------------------------------------------------------ join and leave

    def join(self, person: int) -> str:
        if person in self.banned:
            return DENIED
        is_full = len(self.inside) >= self.capacity
        if person not in self.inside and is_full and self.role(person) == "listener":
            return NOT_NOW
        self.inside.add(person)
        return OK

    def leave(self, person: int) -> str:
        was_inside = person in self.inside
        self._go(person)
        if was_inside and person == self.host:
            for wanted in ("cohost", "speaker"):
                heir = next((each for each, role in self.roles.items() if role == wanted and each in self.inside), None)
                if heir is not None:
                    self._crown(heir)
                    break
        return OK

    # ------------------------------------------------------------------------------------------ hands, chat

    def raise_hand(self, person: int, raised: bool) -> str:
        if person in self.banned or (raised and self.role(person) != "listener"):
            return DENIED
        if person not in self.inside:
            return NOT_NOW
        if not raised:
            self._lower(person)
        elif person not in self.hands:
            self.hands.append(person)
        return OK

    def send(self, person: int) -> str:
        if person in self.banned:
            return DENIED
        if person not in self.inside:
            return NOT_NOW
        return DENIED if person in self.muted else OK

    # ------------------------------------------------------------------------------------------ the stage

    def set_role(self, actor: int, target: int, role: str) -> str:
        if actor == target:
            return self._step_down(actor, role)
        if not self._may(actor, target) or (role == "cohost" and actor != self.host):
            return DENIED
        if self.role(target) == role:
            return OK
        if role != "listener" and target not in self.inside:
            return NOT_NOW
        self._give(target, role)
        return OK

    def transfer_host(self, actor: int, target: int) -> str:
        if target == self.host and self._moderates(actor) and actor != target:
            return OK
        if actor != self.host or actor == target:
            return DENIED
        if target not in self.inside:
            return NOT_NOW
        self._crown(target)
        return OK

    def mute(self, actor: int, target: int, muted: bool) -> str:
        if not self._may(actor, target):
            return DENIED
        if target not in self.inside | self.placed:
            return NOT_NOW
        (self.muted.add if muted else self.muted.discard)(target)
        self.placed.add(target)
        self.version += 1
        return OK

    def kick(self, actor: int, target: int) -> str:
        if not self._may(actor, target):
            return DENIED
        if target not in self.inside:
            return OK if target in self.kicked else NOT_NOW
        if self.role(target) != "listener":
            self._give(target, "listener")
        self._go(target)
        self.kicked.add(target)
        return OK

    def ban(self, actor: int, target: int) -> str:
        if not self._may(actor, target):
            return DENIED
        self.roles.pop(target, None)
        if target not in self.muted:
            self.placed.discard(target)
        self.banned.add(target)
        self._go(target)
        self.version += 1
        return OK

    def unban(self, actor: int, target: int) -> str:
        if not self._moderates(actor):
            return DENIED
        self.banned.discard(target)
        return OK

    def update(self, actor: int, capacity: int, version: int) -> str:
        if not self._moderates(actor):
            return DENIED
        if version != self.version:
            return STALE
        self.capacity = capacity
        self.version += 1
        return OK

    # ------------------------------------------------------------------------------------------ shared

    def _moderates(self, person: int) -> bool:
        return person not in self.banned and self.role(person) in ("host", "cohost")

    def _may(self, actor: int, target: int) -> bool:
        """Return the code for an action of a moderator on a user of lower rank."""
        return self._moderates(actor) and RANKS.index(self.role(actor)) < RANKS.index(self.role(target))

    def _step_down(self, person: int, role: str) -> str:
        if person in self.banned:
            return DENIED
        if person == self.host:
            return NOT_NOW
        if role not in ("listener", self.role(person)):
            return DENIED
        if role != self.role(person):
            self.roles.pop(person, None)
            self.version += 1
        return OK

    def _give(self, person: int, role: str) -> None:
        """Give a role. The user becomes the last among those who have it; a mute stays."""
        self.roles.pop(person, None)
        self.placed.add(person)
        if role != "listener":
            self.roles[person] = role
            self._lower(person)
        self.version += 1

    def _crown(self, heir: int) -> None:
        """Make a user the host; the former host becomes a cohost."""
        self.roles.pop(heir, None)
        self.muted.discard(heir)
        self.placed.discard(heir)
        self.placed.add(self.host)
        self.roles[self.host] = "cohost"
        self.host = heir
        self._lower(heir)
        self.version += 1

    def _go(self, person: int) -> None:
        self.inside.discard(person)
        self._lower(person)

    def _lower(self, person: int) -> None:
        if person in self.hands:
            self.hands.remove(person)
