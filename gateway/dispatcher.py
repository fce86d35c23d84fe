"""From a decoded packet to exactly one answer: method, viewer, limits, transaction, handler, errors.

If a handler takes `tx`, its call is one transaction, opened for the viewer. The first answer to an idempotency key is
looked up and stored in that transaction. Announcements and the answer follow the commit.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol, TypeVar

import msgspec
import structlog

from channels.subscriptions import SubscriptionFailed
from gateway.observability import CALL_SECONDS, CALLS_REFUSED, logs_every_call
from gateway.shedding import Shedding
from handlers.call import Call, CallerSocket, Services, Viewer
from protocol import errors, wire
from protocol.errors import CallError
from protocol.rpc import Method, MethodTable
from storage import deadlines, idempotency, roles
from storage.budgets import Budget
from storage.database import Conflict, DatabaseUnavailable, Transaction
from storage.limits import address_key
from storage.objects import ObjectsUnavailable
from storage.redis import RedisError
from storage.search_engine import SearchUnavailable
from storage.snowflakes import MintingStopped
from tracing import traces
from tracing.traces import Trace

T = TypeVar("T")

AFTER_COMMIT_S = 2.0
SLOW_S = 1.0
# Traces of calls that end so are kept even if they are not sampled.
OUR_FAULTS = frozenset({"INTERNAL", "UNAVAILABLE", "DEADLINE_EXCEEDED"})

log = structlog.get_logger()


class Caller(CallerSocket, Protocol):
    """The connection that a call comes from."""

    viewer: Viewer | None
    codec: wire.Codec
    address: str
    user_agent: str | None


class Answered(msgspec.Struct):
    """The answer to write, and the call whose remaining work follows it. `call` is None if it never began."""

    answer: wire.Ok | wire.Failed
    call: Call | None

    @property
    def disconnects(self) -> bool:
        return self.answer.ok and self.call is not None and self.call.disconnects


class Dispatcher:
    def __init__(self, methods: MethodTable, services: Services, deadline_s: float, shedding: Shedding) -> None:
        self._methods = {method.name: method for method in methods}
        self._services = services
        self._deadline_s = deadline_s
        self.shed = shedding.refuse
        # Bound once: looking a metric up by its labels costs more than counting.
        self._observe = {name: CALL_SECONDS.labels(name).observe for name in self._methods}
        self._logs_every_call = logs_every_call()

    def find(self, name: str) -> Method | None:
        return self._methods.get(name)

    def budget_of(self, method: Method | None, caller: Caller) -> Budget:
        """Return the budget that pays: of the user, the session if the method says so, or an anonymous address."""
        viewer = caller.viewer
        if viewer is None:
            return self._services.budgets.of(address_key(caller.address))
        return self._services.budgets.of(viewer.session_id if method is not None and method.by_session else viewer.id)

    def answer_at_once(
        self, method: Method | None, packet: wire.Packet, caller: Caller, budget: Budget
    ) -> wire.Ok | wire.Failed:
        """Answer a call of an instant method, or of an unknown one. Never raises."""
        began = time.perf_counter()
        trace = traces.begin(method.name if method is not None else "unknown")
        try:
            if method is None:
                raise errors.unimplemented(packet.name)
            call = self._begin(method, trace, caller, budget)
            answer: wire.Ok | wire.Failed = wire.Ok(method.handler(call, _read(method, packet, caller)))
            code = "OK"
        except Exception as error:
            answer, code = _failed(error, packet.name, trace)
        self._note(method, code, began, trace, caller)
        traces.leave()  # the next packet is read in the same context
        return answer

    async def answer(
        self, method: Method, packet: wire.Packet, caller: Caller, budget: Budget, arrived: float
    ) -> Answered:
        """Answer a call. Never raises.

        budget: pays for the call. arrived: loop time; the deadline counts from it.
        """
        began = time.perf_counter()
        trace = traces.begin(method.name)
        call: Call | None = None
        deadlines.set_deadline(arrived + self._deadline_s)
        try:
            async with asyncio.timeout_at(arrived + self._deadline_s):
                call = self._begin(method, trace, caller, budget)
                result = await self._perform(method, call, _read(method, packet, caller))
            answer: wire.Ok | wire.Failed = wire.Ok(result)
            code = "OK"
        except Exception as error:
            answer, code = _failed(error, packet.name, trace)
        self._note(method, code, began, trace, caller)
        return Answered(answer, call)

    def refuse(self, name: str, refusal: CallError) -> wire.Failed:
        """Return the answer to a call that is refused before it is decoded."""
        known = name if name in self._methods else "unknown"
        CALLS_REFUSED.labels(known, refusal.code).inc()
        trace_id = traces.new_id()
        if self._logs_every_call:
            log.info("call", method=known, code=refusal.code, trace_id=trace_id)
        return wire.Failed(refusal.body(trace_id))

    async def finish(self, answered: Answered) -> None:
        """Do the work that the call left for the time after its answer."""
        call = answered.call
        if call is not None:
            for work in call.after_reply_work if answered.answer.ok else call.after_refusal_work:
                await _or_log(work, call)

    def _begin(self, method: Method, trace: Trace, caller: Caller, budget: Budget) -> Call:
        if caller.viewer is None and not method.anonymous:
            raise errors.unauthenticated()
        if caller.viewer is not None and caller.viewer.methods is not None and method.name not in caller.viewer.methods:
            raise errors.permission_denied("this key may not call the method")
        if caller.viewer is not None and caller.viewer.is_restricted and not (method.restricted or method.anonymous):
            raise errors.permission_denied("the account is suspended: see account.limits")
        return Call(
            method.name, trace, self._services, caller.viewer, budget, caller.address, caller.user_agent, caller
        )

    async def _perform(self, method: Method, call: Call, request: Any) -> Any:
        if method.transactional:
            result = await self._transact(method, call, request)
        else:
            await self._count(method, call)
            result = await method.handler(call, request)
        for work in call.after_commit_work:
            await _or_log(work, call)
        return result

    async def _transact(self, method: Method, call: Call, request: Any) -> Any:
        key: str | None = getattr(request, "idempotency_key", None)
        if key is None:
            await self._count(method, call)
        if method.reads:
            read = partial(_handle, method, call, request)
            return await self._services.database.read(call.viewer.id, read, budget=call.budget)
        async with self._services.database.transaction(call.viewer.id, budget=call.budget) as tx:
            await _check_role(method, call, tx)
            if key is None:
                result = await method.handler(call, request, tx)
            else:
                result = await self._once(method, call, request, key, tx)
        self._services.outbox.wake_relay()
        return result

    async def _once(self, method: Method, call: Call, request: Any, key: str, tx: Transaction) -> Any:
        """Return the first answer to the key, which costs no limit; otherwise run the handler and store its answer."""
        request_hash = idempotency.hash_of(request)
        place = idempotency.AnswerPlace(call.viewer.id, method.name, key)
        first = await idempotency.first_answer(tx, place, request_hash)
        if first is not None:
            answer = msgspec.msgpack.decode(first, type=method.results[0])
            return answer if method.renew is None else await method.renew(call, answer, tx)
        await self._count(method, call)
        result = await method.handler(call, request, tx)
        await idempotency.keep_answer(tx, place, request_hash, idempotency.encode(result))
        return result

    async def _count(self, method: Method, call: Call) -> None:
        if method.limit is not None:
            await self._services.limits.hit(method.limit.name, call.viewer.id)

    def _note(self, method: Method | None, code: str, began: float, trace: Trace, caller: Caller) -> None:
        seconds = time.perf_counter() - began
        if method is not None:
            self._observe[method.name](seconds)
        if trace.spans is not None:
            traces.end(
                trace,
                fault="" if code == "OK" else code,
                keep=code in OUR_FAULTS or seconds >= SLOW_S,
                attributes={"rpc.system.name": "socket.io", "rpc.method": trace.name, "daira.code": code},
            )
        if code == "OK" and seconds < SLOW_S and not self._logs_every_call:
            return
        name = method.name if method is not None else "unknown"
        if code != "OK":
            CALLS_REFUSED.labels(name, code).inc()
        log.info(
            "call",
            method=name,
            code=code,
            ms=round(seconds * 1_000, 2),
            user_id=caller.viewer.id if caller.viewer else None,
        )


async def _handle(method: Method, call: Call, request: Any, tx: Transaction) -> Any:
    await _check_role(method, call, tx)
    return await method.handler(call, request, tx)


async def _check_role(method: Method, call: Call, tx: Transaction) -> None:
    """A moderator must also have proved the second factor lately. For a key, the admin who created it did."""
    if method.role is None:
        return
    await roles.require(tx, method.role)
    age = call.services.staff_proof
    if age is not None and call.viewer.methods is None:
        await roles.require_proof(tx, call.viewer.session_id, age)


def _read(method: Method, packet: wire.Packet, caller: Caller) -> Any:
    if packet.size > method.largest:
        raise errors.invalid(
            "$", f"is larger than the {method.largest} bytes that the fields of {method.name} can fill"
        )
    if packet.surplus_arguments:
        raise errors.invalid("$", "a call takes one argument, an object")
    return caller.codec.decode_argument(packet.argument, method.request)


def _failed(error: Exception, method: str, trace: Trace) -> tuple[wire.Failed, errors.Code]:
    """Return the answer and its code.

    No frame of the exception's traceback may hold the exception in a local variable. The two would form a cycle that
    keeps the packet in memory until the garbage collector runs, which is rare.
    """
    refusal = _refusal(error, method)
    return wire.Failed(refusal.body(trace.hex)), refusal.code


def _refusal(error: Exception, method: str) -> CallError:
    """Turn an exception into the error that the client sees. Nothing else does so."""
    match error:
        case CallError():
            return error
        case TimeoutError():
            return errors.deadline_exceeded()
        case (
            DatabaseUnavailable()
            | RedisError()
            | ObjectsUnavailable()
            | SearchUnavailable()
            | MintingStopped()
            | SubscriptionFailed()
        ):
            cause = f"{type(error).__name__}: {error}"
            log.warning("a call was refused: a service is out of reach", method=method, error=cause)
            return errors.unavailable()
        case Conflict():
            return CallError("ABORTED", "it collided with another change: repeat it")
        case _:
            log.error("a handler failed", method=method, exc_info=error)
            return errors.internal()


async def _or_log(work: Callable[[], Awaitable[None]], call: Call) -> None:
    try:
        async with asyncio.timeout(AFTER_COMMIT_S):
            await work()
    except (RedisError, DatabaseUnavailable, Conflict, TimeoutError) as error:
        log.warning("work after a commit was lost", method=call.method, error=str(error))
