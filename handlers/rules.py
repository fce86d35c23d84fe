"""Rules before publishing, for admins: write, try out, enable, disable, and their versions."""

from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any

from handlers.auditing import audit_call
from handlers.call import Call
from handlers.paging import DEFAULT_LIMIT, next_cursor, page_start
from handlers.screening import UNTRIED
from moderation.rulebook import MOST_COST, MOST_RULES
from moderation.rules import BadExpression, check
from moderation.trials import MOST_EXAMINED, TrialResult, TrialText, try_out
from protocol import errors
from protocol.moderation import Reason
from protocol.rpc import methods
from protocol.rules import (
    EnableRule,
    GetRule,
    ListRules,
    ListRuleVersions,
    RuleItem,
    RulePage,
    RuleRef,
    RuleVersion,
    RuleVersionPage,
    SaveRule,
    Trial,
    TrialSample,
    TriedSurface,
    TriedType,
    TryRule,
)
from protocol.timestamps import to_wire
from storage import rule_inputs, rules
from storage.database import Transaction
from storage.rules import RuleRow

_PAGE = 500  # texts of a trial that are loaded at a time
_LONGEST_SAMPLE = 300
_TARGETS: dict[TriedSurface, TriedType] = {
    "post": "post", "comment": "comment", "profile": "user", "group": "chat", "room": "room",
}  # fmt: skip


@methods.rpc("rule.list", role="moderator", reads=True)
async def list_rules(call: Call, request: ListRules, tx: Transaction) -> RulePage:
    """The newest version of each rule, the newest rule first."""
    limit = request.limit or DEFAULT_LIMIT
    rows = await rules.load_page(tx, page_start(call, "", request.cursor), limit)
    items = [RuleItem(_present(row), row["enabled_version"], row["hits"]) for row in rows]
    return RulePage(items, next_cursor(call, "", rows[-1]["id"] if len(rows) == limit else None))


@methods.rpc("rule.get", role="moderator", reads=True)
async def get_rule(call: Call, request: GetRule, tx: Transaction) -> RuleVersion:
    """A version of a rule, or the newest one."""
    return _present(await _load(tx, request.rule_id, request.version))


@methods.rpc("rule.versions", role="moderator", reads=True)
async def list_rule_versions(call: Call, request: ListRuleVersions, tx: Transaction) -> RuleVersionPage:
    """The versions of a rule, newest first."""
    limit = request.limit or DEFAULT_LIMIT
    start = page_start(call, request.rule_id, request.cursor, first=2**31 - 1)
    rows = await rules.load_versions(tx, int(request.rule_id), start, limit)
    cursor = next_cursor(call, request.rule_id, rows[-1]["version"] if len(rows) == limit else None)
    return RuleVersionPage([_present(row) for row in rows], cursor)


@methods.rpc("rule.save", role="admin")
async def save_rule(call: Call, request: SaveRule, tx: Transaction) -> RuleVersion:
    """Write a new rule, or a new version of one. It is not in force until it is enabled."""
    _check(request.expression)
    if (request.rule_id is None) != (request.version is None):
        raise errors.invalid("version", "goes with rule_id")
    if request.outcome == "hold" and {*UNTRIED, "group"} & {*request.surfaces}:
        raise errors.invalid("outcome", "messages and titles of groups cannot be held: require a change, or refuse")
    rule_id = call.services.ids.mint() if request.rule_id is None else int(request.rule_id)
    standing = None if request.rule_id is None else await _load(tx, request.rule_id)
    content: dict[str, Any] = {
        "name": request.name,
        "surfaces": sorted({*request.surfaces}),
        "expression": request.expression,
        "outcome": request.outcome,
        "reason": request.reason,
        "message": request.message,
    }
    if (
        standing is not None
        and standing["version"] == (request.version or 0) + 1
        and content == {name: value for name, value in standing.items() if name in content}
    ):
        return _present(standing)  # a repetition: the first answer was lost
    version = await rules.save(tx, id=rule_id, expected=request.version or 0, **content)
    await audit_call(call, tx, call.viewer.id, "rule.save", f"rule:{rule_id}", version=version, **content)
    return _present(await _load(tx, str(rule_id), version))


@methods.rpc("rule.dry_run", role="admin", overlaps=True)
async def dry_run(call: Call, request: TryRule, tx: Transaction) -> Trial:
    """Show what an expression would have hit among texts of the last 24 hours, but messages. It does not go live."""
    _check(request.expression)
    # An admin reads other users' texts in a trial.
    await audit_call(call, tx, call.viewer.id, "rule.dry_run", "rule:0", expression=request.expression)
    return await _try(call, tx, request.expression, request.surfaces)


@methods.rpc("rule.enable", role="admin")
async def enable_rule(call: Call, request: EnableRule, tx: Transaction) -> RuleVersion:
    """Put a version in force, in place of another one. Repeating it changes nothing.

    It is tried out first. It must be confirmed if it would have hit more than one of 100 texts, and if it could not be
    tried: on messages, or because no text of its surfaces was written within 24 hours.
    """
    row = await _load(tx, request.rule_id, request.version)
    if row["is_enabled"]:
        return _present(row)
    in_force = await rules.enabled_expressions(tx, without=row["id"])
    if len(in_force) >= MOST_RULES:
        raise errors.failed_precondition(f"at most {MOST_RULES} rules can be enabled")
    if sum(map(check, in_force)) + _check(row["expression"]) > MOST_COST:
        raise errors.failed_precondition("the enabled rules would cost too much: disable some that look at all words")
    if not request.confirm:
        trial = await _try(call, tx, row["expression"], row["surfaces"])
        if trial.needs_confirmation:
            raise errors.failed_precondition(f"{_doubt(trial, row['surfaces'])}: confirm it")
    await rules.enable(tx, row["id"], row["version"])
    await audit_call(
        call, tx, call.viewer.id, "rule.enable", f"rule:{row['id']}", version=row["version"], confirmed=request.confirm
    )
    call.after_commit(partial(_wake, call))
    return _present(await _load(tx, request.rule_id, request.version))


@methods.rpc("rule.disable", role="admin")
async def disable_rule(call: Call, request: RuleRef, tx: Transaction) -> RuleVersion:
    """Disable a rule. Content that it has held stays held until that is undone. Repeating it changes nothing."""
    row = await _load(tx, request.rule_id)
    if await rules.enable(tx, row["id"], 0):
        await audit_call(call, tx, call.viewer.id, "rule.disable", f"rule:{row['id']}")
        call.after_commit(partial(_wake, call))
    return _present(await _load(tx, request.rule_id))


async def _wake(call: Call) -> None:
    call.services.rulebook.wake()


def _check(expression: str) -> float:
    try:
        return check(expression)
    except BadExpression as error:
        raise errors.invalid("expression", str(error)) from None


async def _try(call: Call, tx: Transaction, expression: str, surfaces: Sequence[str]) -> Trial:
    amount = await rule_inputs.trial_size(tx, surfaces)
    step = max(1, -(-amount // MOST_EXAMINED))
    tried = await try_out(expression, call.services.rulebook.book.matcher, _texts(tx, surfaces, step, expression))
    if step == 1:  # without texts that were deleted since they were counted
        amount = tried.examined
    part = tried.examined / amount if amount else 1.0
    return Trial(
        texts=amount,
        examined=tried.examined,
        hits=round(tried.hits / part),
        verified_hits=round(tried.verified_hits / part),
        needs_confirmation=tried.are_too_many or not tried.examined or bool(UNTRIED & {*surfaces}),
        samples=_samples(tried),
    )


def _doubt(trial: Trial, surfaces: Sequence[str]) -> str:
    """Why the result of the trial does not suffice to enable the rule."""
    hits = f"hits {trial.hits} of {trial.texts} texts, {trial.verified_hits} of verified users"
    if UNTRIED & {*surfaces}:
        return f"the rule was not tried on messages, of which none are kept for that; otherwise it {hits}"
    return hits if trial.examined else "there is no text of the last 24 hours to try the rule on"


async def _texts(
    tx: Transaction, surfaces: Sequence[str], step: int, expression: str
) -> AsyncIterator[Sequence[TrialText]]:
    above, compares = 0, "similar_to_removed" in expression
    while rows := await rule_inputs.load_trial(tx, surfaces, above, step, _PAGE):
        similar: dict[int, list[Reason]] = {}
        for surface in {*surfaces} & {"post", "comment"} if compares else ():
            ids = [row["id"] for row in rows if row["surface"] == surface and row["media"]]
            similar.update(await rule_inputs.trial_removed_like(tx, surface, ids))
        # Deleted texts are not tried.
        yield [TrialText(row, similar.get(row["id"], ())) for row in rows if row["text"] is not None]
        above = rows[-1]["id"]


def _samples(tried: TrialResult) -> list[TrialSample]:
    return [
        TrialSample(
            target_type=_TARGETS[row["surface"]],
            target_id=str(row["user_id"] if row["surface"] == "profile" else row["id"]),
            user_id=str(row["user_id"]),
            username=row["username"],
            text=row["text"][:_LONGEST_SAMPLE] if row["is_open"] else None,
        )
        for row in tried.samples
    ]


async def _load(tx: Transaction, rule_id: str, version: int | None = None) -> RuleRow:
    row = await rules.load(tx, int(rule_id), version)
    if row is None:
        raise errors.not_found("rule")
    return row


def _present(row: RuleRow) -> RuleVersion:
    return RuleVersion(
        rule_id=str(row["id"]),
        version=row["version"],
        name=row["name"],
        surfaces=row["surfaces"],
        expression=row["expression"],
        outcome=row["outcome"],
        reason=row["reason"],
        message=row["message"],
        saved_by=str(row["saved_by"]),
        saved_at=to_wire(row["saved_at"]),
        enabled=row["is_enabled"],
        enabled_by=None if row["enabled_by"] is None else str(row["enabled_by"]),
        enabled_at=None if row["enabled_at"] is None else to_wire(row["enabled_at"]),
    )
