"""Undoing decisions of moderation."""

from handlers.call import Call
from protocol import errors
from protocol.decisions import DecisionRef, UndoDecisions, UndoneDecision, UndoneDecisions
from protocol.rpc import methods
from protocol.timestamps import to_wire
from storage import decisions, users
from storage.database import Transaction

BATCH = 100  # decisions of one call


@methods.rpc("decision.undo", role="moderator")
async def undo_decision(call: Call, request: DecisionRef, tx: Transaction) -> UndoneDecision:
    """Undo a decision: the other decisions about its target stay. Moderators undo their own decisions, admins all."""
    ended = await decisions.end(tx, int(request.decision_id), ip=call.address, user_agent=call.user_agent)
    assert ended["ended_at"] is not None
    return UndoneDecision(str(ended["id"]), to_wire(ended["ended_at"]))


@methods.rpc("decision.undo_many", role="admin")
async def undo_decisions(call: Call, request: UndoDecisions, tx: Transaction) -> UndoneDecisions:
    """End the newest 100 decisions of a rule or a moderator since a time. Repeat it while there are more."""
    if (request.rule_id is None) is (request.moderator is None):
        raise errors.invalid("rule_id", "name either a rule or a moderator")
    moderator_id = await users.id_of(tx, request.moderator) if request.moderator else None
    if request.moderator and moderator_id is None:
        raise errors.not_found("user")
    undone = await decisions.undo_many(
        tx,
        rule_id=int(request.rule_id) if request.rule_id else None,
        moderator_id=moderator_id,
        since=request.since,
        limit=BATCH,
        ip=call.address,
        user_agent=call.user_agent,
    )
    return UndoneDecisions(undone, has_more=undone == BATCH)
