"""The method table: what clients can call, with which messages, under which rules.

A handler's signature is its schema: `async def verb_noun(call, request: Request) -> Result`. A handler that takes
a third parameter, `tx`, runs inside the one transaction of its call, opened for the viewer and committed after it.
A handler without an await is a plain function.
"""

import inspect
from collections.abc import Callable, Iterator
from typing import Any, Literal, get_args, get_type_hints

import msgspec
from limits import parse

from protocol.errors import ErrorBody
from protocol.fields import Request
from protocol.limits import WRITE, Limit
from protocol.moderation import Role
from protocol.push_table import PUSHES
from protocol.sizes import largest_call
from protocol.struct_names import StructNames


class Nothing(msgspec.Struct, frozen=True):
    """The result of methods that return nothing."""


class NoArguments(Request, frozen=True):
    """The request of methods without arguments."""


Handler = Callable[..., Any]

# What an overloaded node refuses, first to last. `minor`: nobody misses it soon; `vital`: to sign in and out.
ShedClass = Literal["minor", "write", "read", "vital"]
SHED_ORDER: tuple[ShedClass, ...] = get_args(ShedClass)


class Method(msgspec.Struct, frozen=True):
    """One row of the table.

    Each call is counted in `limit`, and its handler counts in those of `counts`. `anonymous` methods need no sign-in.
    Methods that read, and those that wait for other services, have `overlaps`: they may overlap other calls of their
    connection. Others run one at a time, in order of arrival. Calls of `by_session` methods are charged to the
    session instead of the user: otherwise an attacker in another session of the user could spend the user's share and
    block them. `transactional` handlers get `tx`. `instant` handlers are plain functions, which run without a task.
    `results`: the structs that it may answer; with an idempotency key, only one. `shed` says when an overloaded node
    refuses calls. `largest` bounds the packet of a call, in bytes. `renew(call, answer, tx)` replaces what has
    expired in the first answer to an idempotency key. `role`: only users with it may call the method; an admin is a
    moderator too. `restricted`: suspended users may call it.
    """

    name: str
    summary: str
    handler: Handler
    instant: bool
    request: type[Request]
    largest: int
    results: tuple[type[msgspec.Struct], ...]
    limit: Limit | None
    counts: tuple[Limit, ...]
    anonymous: bool
    reads: bool
    overlaps: bool
    by_session: bool
    transactional: bool
    shed: ShedClass
    renew: Handler | None
    role: Role | None
    restricted: bool


class MethodTable:
    """Methods by name, each declared once by `@methods.rpc(...)` above its handler."""

    def __init__(self) -> None:
        self._methods: dict[str, Method] = {}
        self._limits: dict[str, Limit] = {}
        self._names = StructNames()
        self._names.add(ErrorBody)
        for push in PUSHES.values():
            self._names.add(push)

    def rpc(
        self,
        name: str,
        *,
        limit: Limit | None = WRITE,
        counts: tuple[Limit, ...] = (),
        anonymous: bool = False,
        reads: bool = False,
        overlaps: bool = False,
        by_session: bool = False,
        shed: ShedClass | None = None,
        renew: Handler | None = None,
        role: Role | None = None,
        restricted: bool = False,
    ) -> Callable[[Handler], Handler]:
        """Declare the method that the decorated handler serves.

        Reads and anonymous methods are not counted in `limit`. None is for methods that must always be possible.
        `shed` is "read" for reads and "write" for others, unless it is given.

        Raises TypeError if two structs of the contract share a name; ValueError for a second method of that name,
        another limit of the same name, a rate that cannot be parsed, or a role without a transaction to read it in.
        """

        def declare(handler: Handler) -> Handler:
            if name in self._methods:
                raise ValueError(f"method {name} is declared twice")
            hints = get_type_hints(handler)
            parameters = list(inspect.signature(handler).parameters)
            if role is not None and "tx" not in parameters:
                raise ValueError(f"{name} needs a transaction, in which the caller's role is read")
            self._names.add(hints[parameters[1]])
            results = get_args(hints["return"]) or (hints["return"],)
            for result in results:
                self._names.add(result)
            self._methods[name] = Method(
                name=name,
                summary=inspect.cleandoc(handler.__doc__ or "").partition("\n")[0],
                handler=handler,
                instant=not inspect.iscoroutinefunction(handler),
                request=hints[parameters[1]],
                largest=largest_call(hints[parameters[1]]),
                results=results,
                limit=None if reads or anonymous else limit,
                counts=counts,
                anonymous=anonymous,
                reads=reads,
                overlaps=reads or overlaps,
                by_session=by_session,
                transactional="tx" in parameters,
                shed=shed or ("read" if reads else "write"),
                renew=renew,
                role=role,
                restricted=restricted,
            )
            for each in (limit, *counts) if limit else counts:
                parse(each.rate)
                if self._limits.setdefault(each.name, each) != each:
                    raise ValueError(f"limit {each.name} is declared twice")
            return handler

        return declare

    @property
    def limits(self) -> list[Limit]:
        """All limits, in the order of their declaration."""
        return list(self._limits.values())

    def get(self, name: str) -> Method | None:
        return self._methods.get(name)

    def __iter__(self) -> Iterator[Method]:
        return iter(sorted(self._methods.values(), key=lambda method: method.name))


methods = MethodTable()
