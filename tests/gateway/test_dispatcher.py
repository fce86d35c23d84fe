"""The dispatcher: access, limits, transactions, and the answer to each exception."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import SimpleNamespace

import msgspec
import pytest
from redis.exceptions import RedisError

from channels.bus import SubscriptionFailed
from gateway import dispatcher as module
from gateway.dispatcher import Dispatcher
from gateway.shedding import Shedding
from handlers.call import Call, Viewer
from protocol import errors, wire
from protocol.fields import Request
from protocol.limits import Limit
from protocol.rpc import MethodTable
from storage import idempotency, roles
from storage.budgets import Budget, WorkRate
from storage.database import Conflict, DatabaseUnavailable, Transaction
from storage.snowflakes import MintingStopped

ALICE = Viewer(1, 7, datetime.max.replace(tzinfo=UTC))
NOTES = Limit("notes", "1/hour", "notes")


class TakeNote(Request, frozen=True):
    text: str = ""
    idempotency_key: str | None = None


class NoteTaken(msgspec.Struct, frozen=True):
    text: str = "taken"


class Services:
    """Records the calls of its methods, in order."""

    def __init__(self) -> None:
        self.log: list[object] = []
        self.staff_proof = None
        self.limits = SimpleNamespace(hit=self._hit)
        self.outbox = SimpleNamespace(wake_relay=lambda: self.log.append("woken"))
        self.budgets = SimpleNamespace(of=lambda key: key)
        self.database = SimpleNamespace(transaction=self._transaction, read=self._read)

    async def _hit(self, name: str, key: object) -> None:
        self.log.append(("counted", name, key))

    @asynccontextmanager
    async def _transaction(self, viewer_id, *, budget):
        self.log.append(("began", viewer_id))
        yield "tx"
        self.log.append("committed")

    async def _read(self, viewer_id, body, *, budget):
        self.log.append(("reads", viewer_id))
        return await body("tx")


@pytest.fixture
def services() -> Services:
    return Services()


def dispatching(services: Services, handler, deadline_s: float = 5, **rules) -> tuple[Dispatcher, object]:
    """A dispatcher of one method, and the method."""
    table = MethodTable()
    table.rpc("note.take", **rules)(handler)
    dispatcher = Dispatcher(table, services, deadline_s, Shedding(lambda: 0.0, 1.0))
    return dispatcher, dispatcher.find("note.take")


def caller(viewer: Viewer | None = ALICE, address: str = "192.0.2.1") -> SimpleNamespace:
    return SimpleNamespace(viewer=viewer, codec=wire.JSON, address=address, user_agent="test")


def packet(surplus: bool = False, size: int = 20, name: str = "note.take", **fields) -> wire.Packet:
    made = wire.Packet(2, "/", 1, size=size)
    made.name, made.argument, made.surplus_arguments = name, fields, surplus
    return made


async def answered(services: Services, handler, sent: wire.Packet | None = None, who=None, deadline_s=5, **rules):
    dispatcher, method = dispatching(services, handler, deadline_s, **rules)
    budget = Budget(1, WorkRate(per_second=1, burst=1))
    now = asyncio.get_running_loop().time()
    result = await dispatcher.answer(method, sent or packet(), who or caller(), budget, now)
    services.log.append("answered")
    await dispatcher.finish(result)
    return result


def plain(services: Services, fails: Exception | None = None):
    """Return a handler that leaves work for after the commit, the reply and a refusal."""

    async def take_note(call: Call, request: TakeNote) -> NoteTaken:
        """Take a note."""

        def do(what: str, error: Exception | None = None):
            async def work() -> None:
                services.log.append(what)
                if error is not None:
                    raise error

            return work

        services.log.append("handled")
        call.after_commit(do("lost", RedisError("away")))
        call.after_commit(do("after commit"))
        call.after_reply(do("after reply"))
        call.after_refusal(do("after refusal"))
        call.disconnect()
        if fails is not None:
            raise fails
        return NoteTaken(request.text)

    return take_note


BECOMES = [
    (errors.not_found("note"), "NOT_FOUND"),
    (TimeoutError(), "DEADLINE_EXCEEDED"),
    (DatabaseUnavailable("secret"), "UNAVAILABLE"),
    (RedisError("secret"), "UNAVAILABLE"),
    (MintingStopped("secret"), "UNAVAILABLE"),
    (SubscriptionFailed("secret"), "UNAVAILABLE"),
    (Conflict("secret"), "ABORTED"),
    (ValueError("secret"), "INTERNAL"),
]


@pytest.mark.parametrize(("error", "code"), BECOMES)
async def test_what_exceptions_become(services, error, code):
    answer = (await answered(services, plain(services, fails=error))).answer
    assert not answer.ok
    assert (answer.error.code, "secret" in answer.error.message) == (code, False)

    def take_note(call: Call, request: TakeNote) -> NoteTaken:
        raise error

    dispatcher, method = dispatching(services, take_note)
    at_once = [dispatcher.answer_at_once(method, packet(), caller(), None) for _ in range(2)]
    assert {each.error.code for each in at_once} == {code}
    assert len({each.error.request_id for each in (answer, *at_once)}) == 3


async def test_the_order_of_a_calls_steps(services):
    result = await answered(services, plain(services), packet(text="hello"))
    assert result.answer == wire.Ok(NoteTaken("hello"))
    assert result.disconnects
    assert services.log == [("counted", "write", 1), "handled", "lost", "after commit", "answered", "after reply"]


async def test_a_refused_call_does_nothing_else(services):
    result = await answered(services, plain(services, fails=errors.not_found("note")))
    assert not result.disconnects
    assert services.log == [("counted", "write", 1), "handled", "answered", "after refusal"]


async def test_work_after_the_commit_does_not_delay_the_answer(services, monkeypatch):
    monkeypatch.setattr(module, "AFTER_COMMIT_S", 0.01)

    async def take_note(call: Call, request: TakeNote) -> NoteTaken:
        call.after_commit(asyncio.Event().wait)
        return NoteTaken()

    assert (await answered(services, take_note)).answer.ok


async def test_a_call_is_given_up_at_its_deadline(services):
    async def take_note(call: Call, request: TakeNote) -> NoteTaken:
        await asyncio.Event().wait()
        return NoteTaken()

    assert (await answered(services, take_note, deadline_s=0.01)).answer.error.code == "DEADLINE_EXCEEDED"


@pytest.mark.parametrize(("rules", "code"), [({"limit": None}, "UNAUTHENTICATED"), ({"anonymous": True}, None)])
async def test_anonymous_clients_call_only_methods_that_allow_it(services, rules, code):
    result = await answered(services, plain(services), who=caller(None), **rules)
    assert (None if result.answer.ok else result.answer.error.code) == code
    assert ("handled" in services.log) == (code is None)


async def test_a_call_that_is_too_large_or_has_too_much_is_not_handled(services):
    _, method = dispatching(services, plain(services))
    for sent in (packet(surplus=True), packet(size=method.largest + 1)):
        error = (await answered(services, plain(services), sent)).answer.error
        assert (error.code, error.details[0].field) == ("INVALID_ARGUMENT", "$")
    assert "handled" not in services.log
    assert (await answered(services, plain(services), packet(size=method.largest))).answer.ok


def test_an_unknown_method_is_refused(services):
    dispatcher, _ = dispatching(services, plain(services))
    answer = dispatcher.answer_at_once(None, packet(name="note.eat"), caller(), None)
    assert answer.error.code == "UNIMPLEMENTED"
    assert dispatcher.find("note.eat") is None


def test_each_call_is_charged_to_one_budget(services):
    dispatcher, method = dispatching(services, plain(services))
    _, of_session = dispatching(services, plain(services), by_session=True)
    assert dispatcher.budget_of(method, caller()) == dispatcher.budget_of(None, caller()) == ALICE.id
    assert dispatcher.budget_of(of_session, caller()) == ALICE.session_id
    for each in (method, of_session, None):
        assert dispatcher.budget_of(each, caller(None, "2001:db8::1:2:3:4")) == "2001:db8::"


def transactional(services: Services, fails: Exception | None = None):
    async def take_note(call: Call, request: TakeNote, tx: Transaction) -> NoteTaken:
        services.log.append("handled")
        if fails is not None:
            raise fails
        return NoteTaken(request.text)

    return take_note


async def test_a_call_is_one_transaction_of_its_viewer(services):
    result = await answered(services, transactional(services), limit=NOTES)
    assert result.answer.ok
    assert not result.disconnects
    assert services.log == [("counted", "notes", 1), ("began", 1), "handled", "committed", "woken", "answered"]


async def test_reads_are_not_counted_and_wake_nobody(services):
    assert (await answered(services, transactional(services), reads=True)).answer.ok
    assert services.log == [("reads", 1), "handled", "answered"]


async def test_a_failed_call_is_not_committed(services):
    assert not (await answered(services, transactional(services, errors.not_found("note")))).answer.ok
    assert services.log == [("counted", "write", 1), ("began", 1), "handled", "answered"]


@pytest.mark.parametrize("rules", [{"reads": True}, {"reads": False}], ids=["reads", "writes"])
async def test_a_role_is_read_in_the_transaction_of_the_call(services, monkeypatch, rules):
    held = {"moderator"}

    async def require(tx, role):
        services.log.append(role)
        if role not in held:
            raise errors.permission_denied("not yours")

    monkeypatch.setattr(roles, "require", require)
    assert (await answered(services, transactional(services), role="moderator", **rules)).answer.ok
    place = services.log.index("moderator")
    assert services.log[place - 1 : place + 2] == [("reads" if rules["reads"] else "began", 1), "moderator", "handled"]
    services.log.clear()
    refused = await answered(services, transactional(services), packet(idempotency_key="k"), role="admin", **rules)
    assert refused.answer.error.code == "PERMISSION_DENIED"
    assert "handled" not in services.log


def test_a_role_needs_a_transaction(services):
    with pytest.raises(ValueError, match="needs a transaction"):
        dispatching(services, plain(services), role="moderator")


async def test_a_key_that_was_used_costs_nothing_and_gives_the_first_answer(services, monkeypatch):
    kept: dict[object, tuple[bytes, bytes]] = {}

    async def first_answer(tx, place, request_hash):
        if place in kept and kept[place][0] != request_hash:
            raise errors.already_exists("idempotency_key", "was used")
        return kept[place][1] if place in kept else None

    async def keep_answer(tx, place, request_hash, answer):
        services.log.append("kept")
        kept[place] = (request_hash, answer)

    monkeypatch.setattr(idempotency, "first_answer", first_answer)
    monkeypatch.setattr(idempotency, "keep_answer", keep_answer)
    sent = packet(text="hello", idempotency_key="k")
    first = await answered(services, transactional(services), sent)
    once = [("began", 1), ("counted", "write", 1), "handled", "kept", "committed", "woken", "answered"]
    assert services.log == once
    second = await answered(services, transactional(services), sent)
    assert services.log == [*once, ("began", 1), "committed", "woken", "answered"]
    assert first.answer == second.answer == wire.Ok(NoteTaken("hello"))
    assert {*kept} == {idempotency.AnswerPlace(ALICE.id, "note.take", "k")}
    other = await answered(services, transactional(services), packet(text="other", idempotency_key="k"))
    assert other.answer.error.code == "ALREADY_EXISTS"


@pytest.mark.parametrize("name", ["note.take", "note.eat"])
def test_calls_of_known_and_unknown_methods_can_be_refused_at_once(services, name):
    dispatcher, _ = dispatching(services, plain(services))
    refused = dispatcher.refuse(name, errors.exhausted("too many", 100))
    assert (refused.ok, refused.error.code, refused.error.retry_after_ms) == (False, "RESOURCE_EXHAUSTED", 100)
