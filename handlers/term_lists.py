"""Term lists of the rules before publishing, for admins."""

from functools import partial

from handlers.auditing import audit_call
from handlers.call import Call
from handlers.paging import DEFAULT_LIMIT
from moderation.term_lists import forms_of
from protocol import errors
from protocol.rpc import methods
from protocol.rules import ListTerms, SaveTerms, TermListItem, TermLists
from protocol.timestamps import to_wire
from storage import rules
from storage.database import Transaction
from storage.rules import TermListRow


@methods.rpc("terms.list", role="moderator", reads=True)
async def list_terms(call: Call, request: ListTerms, tx: Transaction) -> TermLists:
    """All lists, or one with a page of its terms."""
    lists = await rules.load_lists(tx)
    if request.list_id is None:
        return TermLists([_present(each) for each in lists], [], None)
    list_id, limit = int(request.list_id), request.limit or DEFAULT_LIMIT
    shown = [each for each in lists if each["id"] == list_id]
    if not shown:
        raise errors.not_found("list")
    scope = f"{call.method}:{list_id}"
    after = call.services.cursors.open(call.viewer.id, scope, request.cursor) or ""
    terms = await rules.load_terms(tx, list_id, after, limit)
    cursor = call.services.cursors.seal(call.viewer.id, scope, terms[-1]) if len(terms) == limit else None
    return TermLists([_present(each) for each in shown], terms, cursor)


@methods.rpc("terms.save", role="admin")
async def save_terms(call: Call, request: SaveTerms, tx: Transaction) -> TermListItem:
    """Make a list, or add terms to it and remove some. It counts at once in rules that name it."""
    if (request.list_id is None) != (request.version is None):
        raise errors.invalid("version", "goes with list_id")
    for place, term in enumerate(request.add):
        if not forms_of(term, request.match):
            raise errors.invalid(f"add[{place}]", f"cannot be found by {request.match}")
    expected = request.version or 0
    list_id = call.services.ids.mint() if request.list_id is None else int(request.list_id)
    before = await _find(tx, list_id)
    if request.list_id is not None:
        if before is None:
            raise errors.not_found("list")
        if before["name"] != request.name:
            raise errors.invalid("name", "of a list cannot change: rules refer to it")
        if before["version"] == expected + 1 and await _already_has(tx, list_id, request, before):
            return _present(before)  # a repetition: the first answer was lost
    elif any(each["name"] == request.name for each in await rules.load_lists(tx)):
        raise errors.already_exists("name", "is the name of another list")
    version = await rules.save_terms(
        tx, id=list_id, expected=expected, name=request.name, match=request.match, added=request.add,
        removed=request.remove,
    )  # fmt: skip
    await audit_call(
        call, tx, call.viewer.id, "terms.save", f"terms:{list_id}", name=request.name, version=version,
        match=request.match, added=len(request.add), removed=len(request.remove),
    )  # fmt: skip
    call.after_commit(partial(_wake, call))
    saved = await _find(tx, list_id)
    assert saved is not None
    return _present(saved)


async def _already_has(tx: Transaction, list_id: int, request: SaveTerms, standing: TermListRow) -> bool:
    """Whether the present version is what the request makes of the one before."""
    found = await rules.which_terms(tx, list_id, [*request.add, *request.remove])
    return standing["match"] == request.match and found == {*request.add}


async def _find(tx: Transaction, list_id: int) -> TermListRow | None:
    return next((each for each in await rules.load_lists(tx) if each["id"] == list_id), None)


async def _wake(call: Call) -> None:
    call.services.rulebook.wake()


def _present(row: TermListRow) -> TermListItem:
    return TermListItem(
        list_id=str(row["id"]),
        name=row["name"],
        match=row["match"],
        version=row["version"],
        amount=row["amount"],
        saved_by=str(row["saved_by"]),
        saved_at=to_wire(row["saved_at"]),
    )
