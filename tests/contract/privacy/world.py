"""Users with every relation to two accounts, and the things of these accounts, which each have a token in their text.

What an answer or a push shows is read from it: the tokens and the ids of things, wherever they stand.
"""

import asyncio
import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count
from typing import Any

import orjson

from tests.cluster import Cluster
from tests.contract.privacy.relations import IN_CHATS, INVERSE, RELATIONS, Tie, may_see
from tests.people import Person, PythonPerson

ACCOUNTS = ("open", "private")  # each viewer has the same relation to both
VIEWERS = (*RELATIONS, *ACCOUNTS)
VISIBILITIES = ("public", "followers", "circle", "private")
HOST = "host"  # an open account without relations. In its post and its room, all others meet.
SHARER = "sharer"  # an open account that users with a relation follow; it shares a post of an account

# Each connection of a pool plans every statement anew, which takes longer than running it.
CALLS_AT_ONCE = 4

_ID = re.compile(r"(?<!\d)\d{15,19}(?!\d)")


@dataclass(eq=False)
class Thing:
    """conditions: pairs of a user and what a viewer must be able to see of that user, as `may_see` names it.
    shows: things that are shown with it, to a viewer who may see this much of their owners.
    """

    kind: str
    name: str
    id: str
    owner: str
    conditions: tuple[tuple[str, str], ...]
    shows: tuple[tuple["Thing", str], ...] = ()
    only: frozenset[str] | None = None  # the users who may see it at all; None: all
    part_of: "Thing | None" = None  # the post of a comment, the chat of a message
    number: int = 0  # of a message in its chat
    found_by: str = "all"  # among those who may see it: whom lists show it to. "followers": in feeds alone; "nobody"
    is_deleted: bool = False
    is_for_adults: bool = False  # as what it is part of

    def __repr__(self) -> str:
        return f"{self.kind} {self.name}"


Things = frozenset[Thing]


class Actor(PythonPerson):
    """A user of a world, whose calls take turns with those of the others."""

    def __init__(self, world: "World", name: str) -> None:
        super().__init__(world.token(name), world.user(name).id)
        self._turns = world.turns

    async def answer(self, method: str, *arguments: Any) -> Any:
        async with self._turns:
            return await super().answer(method, *arguments)


class World:
    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.turns = asyncio.Semaphore(CALLS_AT_ONCE)
        self.people: dict[str, Person] = {}
        self.things: dict[str, Thing] = {}  # by token
        self.circles: dict[str, str] = {}  # by owner: the id of the circle that the relations mean
        self.is_past = True  # while things are made
        self.suspended: set[str] = set()  # the accounts that are suspended or banned now
        self.labelled: set[str] = set()  # the accounts whose posts and rooms minors must not see
        self.minors: set[str] = set()
        self._by_id: dict[str, Thing] = {}
        self._prefix = cluster.unique("m")
        self.tag = cluster.unique("hashtag")  # in all posts
        self._token = re.compile(rf"(?<!@){self._prefix}(?:\.[a-z_]+[0-9]*)+")
        self._numbers = count()

    # ------------------------------------------------------------------------------------------ the rule

    def tie(self, viewer: str, owner: str) -> Tie:
        """The relation of these users now. Others see a suspended account as they see an account that blocks them."""
        return frozenset({"blocked"}) if owner in self.suspended else self.standing_tie(viewer, owner)

    def standing_tie(self, viewer: str, owner: str) -> Tie:
        """The relation of these users without regard to suspensions."""
        if viewer == owner:
            return frozenset({"self"})
        if owner in ACCOUNTS and viewer in RELATIONS:
            return self._tie(viewer, owner)
        if owner == SHARER and viewer in RELATIONS:
            return frozenset({"follows"})
        if viewer in ACCOUNTS and owner in RELATIONS:
            return frozenset(INVERSE[word] for word in self._tie(owner, viewer) if word in INVERSE)
        return frozenset()

    def may(self, viewer: str, owner: str, *whats: str) -> bool:
        is_private = owner == "private"
        if viewer in self.minors and owner in self.labelled and {*whats} & {*VISIBILITIES}:
            return False
        return all(may_see(self._tie_for(what, viewer, owner), what, is_private) for what in whats)

    def _tie_for(self, what: str, viewer: str, owner: str) -> Tie:
        """Other members of a chat keep the messages of a suspended user."""
        return (self.standing_tie if what in IN_CHATS else self.tie)(viewer, owner)

    def sees(self, viewer: str, thing: Thing) -> bool:
        if thing.is_deleted or (thing.only is not None and viewer not in thing.only):
            return False
        if thing.kind == "file" and thing.owner == viewer:
            return True
        if viewer in self.minors and thing.owner != viewer and self._is_for_adults(thing):
            return False
        return all(self.may(viewer, owner, what) for owner, what in thing.conditions)

    def _is_for_adults(self, thing: Thing) -> bool:
        return thing.is_for_adults or (thing.part_of is not None and self._is_for_adults(thing.part_of))

    def in_past(self, question: Callable[..., bool], *arguments: Any) -> bool:
        """The answer before relations changed."""
        now, self.is_past = self.is_past, True
        try:
            return question(*arguments)
        finally:
            self.is_past = now

    def shown(self, viewer: str, things: Iterable[Thing]) -> Things:
        """Those of the things that the viewer may see, with what is shown with them."""
        found: set[Thing] = set()
        for thing in things:
            if self.sees(viewer, thing):
                nested = [(other, what) for other, what in thing.shows if self.may(viewer, other.owner, what)]
                # A message names its sender by an id, whatever else is shown of that user.
                found |= {thing, *(other for other, what in nested if other.kind == "user" and what in IN_CHATS)}
                found |= self.shown(viewer, [other for other, _ in nested])
        return frozenset(found)

    def audience(self, *whats: tuple[str, str]) -> set[str]:
        """Viewers who may see all that. whats: pairs of a user and what of that user."""
        return {viewer for viewer in VIEWERS if all(self.may(viewer, owner, what) for owner, what in whats)}

    def related(self, word: str, account: str) -> list[Thing]:
        """The users whose tie to the account has that word."""
        return [self.user(name) for name in RELATIONS if word in self.tie(name, account)]

    def _tie(self, viewer: str, account: str) -> Tie:
        relation = RELATIONS[viewer]
        found = relation.before if self.is_past else relation.now
        return found if account == "private" else found - {"requested"}

    # ------------------------------------------------------------------------------------------ things

    def user(self, name: str) -> Thing:
        return self.things[self.token(name)]

    def place(self, kind: str) -> Thing:
        """The post or the room of the host, where all meet."""
        [found] = self.of_kind(kind, [HOST])
        return found

    def of_kind(self, kind: str, owners: Iterable[str] = (*ACCOUNTS, HOST)) -> list[Thing]:
        return [thing for thing in self.things.values() if thing.kind == kind and thing.owner in owners]

    def token(self, name: str) -> str:
        return f"{self._prefix}.{name}"

    @property
    def common_token(self) -> str:
        """The beginning of all tokens."""
        return self._prefix

    def new_name(self, *parts: str) -> str:
        """A name that no thing has yet."""
        return ".".join((*parts, f"new{next(self._numbers)}"))

    def add(self, thing: Thing) -> Thing:
        self.things[self.token(thing.name)] = thing
        if thing.id:
            self._by_id[thing.id] = thing
        return thing

    def read(self, value: Any, without: Any = None) -> Things:
        """The things that a value of JSON shows. without: a value whose ids do not count: the caller has them."""
        text = orjson.dumps(value).decode()
        known = set(_ID.findall(orjson.dumps(without).decode()))
        by_token = {self.things[token] for token in self._token.findall(text) if token in self.things}
        by_id = {self._by_id[found] for found in set(_ID.findall(text)) - known if found in self._by_id}
        return frozenset(by_token | by_id)

    async def publish(self, owner: str, visibility: str, name: str, *, mentions: Iterable[str] = ()) -> Thing:
        """A new post. Nobody may comment on those of the accounts: how a comment is refused tells who sees the post."""
        arguments = {"text": self.text(name, mentions), "visibility": visibility}
        if owner in ACCOUNTS:
            arguments["reply_policy"] = "nobody"
        if visibility == "circle":
            arguments["circle_id"] = self.circles[owner]
        post = await self.people[owner].call("post.create", **arguments)
        shows = ((self.user(owner), "profile"), *((self.user(each), "profile") for each in mentions))
        return self.add(Thing("post", name, post["id"], owner, ((owner, visibility),), shows))

    def text(self, name: str, mentions: Iterable[str] = ()) -> str:
        words = (self.token(name), f"#{self.tag}", f"#{self.tag_of(name)}", self.word_of(name))
        return " ".join([*words, *(f"@{self.token(each)}" for each in mentions)])

    def tag_of(self, name: str) -> str:
        """A hashtag that only the post of that name has."""
        return f"{self.tag}_{name.replace('.', '_')}"

    def word_of(self, name: str) -> str:
        """A word that only the post of that name has."""
        number = hashlib.sha256(self.token(name).encode()).hexdigest()[:10]
        return "كلم" + number.translate(str.maketrans("0123456789abcdef", "بتثجحخدذرزسشصضطظ"))

    def mentioned_in(self, post: Thing) -> list[Thing]:
        return [other for other, _ in post.shows if other.owner != post.owner]

    def files_in(self, thing: Thing) -> list[Thing]:
        return [other for other, _ in thing.shows if other.kind == "file"]

    async def delete_post(self, post: Thing) -> None:
        await self.people[post.owner].call("post.delete", post_id=post.id)
        post.is_deleted = True

    # ------------------------------------------------------------------------------------------ calls and pushes

    async def everybody(self, method: str, arguments: dict[str, list[dict[str, Any]]]) -> dict[str, list[Any]]:
        """Call as each of these users at once, one call after the other; return the answers."""

        async def calls(who: str) -> list[Any]:
            return [await self.people[who].answer(method, each) for each in arguments[who]]

        answers = await asyncio.gather(*map(calls, arguments))
        return dict(zip(arguments, answers, strict=True))

    async def everybody_may(self, method: str, arguments: dict[str, list[dict[str, Any]]]) -> None:
        """The same with calls that none may be refused."""
        answers = await self.everybody(method, arguments)
        assert all(answer["ok"] for many in answers.values() for answer in many), (method, answers)

    async def quiet(self) -> None:
        """Wait until no push is on its way, and forget those received."""
        await self.cluster.settle(*self.people.values())
        for person in self.people.values():
            person.received.clear()

    def pushes(self, viewer: str, event: str) -> list[Things]:
        """What each push of that event, since `quiet`, has shown to the viewer."""
        return [self.read(push) for push in self.people[viewer].heard(event)]

    async def receives(self, viewer: str, event: str, expected: Iterable[Things], *, last: bool) -> None:
        """Wait for these pushes; with `last`, until one of them is the last one. Raises AssertionError."""

        def find() -> int | None:
            pushes = self.pushes(viewer, event)
            return 0 if {*expected} <= {*(pushes[-1:] if last else pushes)} else None

        person = self.people[viewer]
        await person._until(find, event)

    async def close(self) -> None:
        await asyncio.gather(*(person.close() for person in self.people.values()))
