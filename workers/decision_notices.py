"""Decisions: tell the person concerned, and all who reported it. Suspensions are also told by e-mail: `make_decision`.

Each is told once of a decision, of its end, of an appeal and of a report, however often an event is repeated. Reporters
are told once of what settles their report: their case, and an appeal or an undoing that ends its decision.
"""

from protocol.events import AppealDecidedEvent, DecisionEndedEvent, DecisionMadeEvent
from storage import appeals, decisions
from storage.notifications import Cause
from workers.job import Job, consumes
from workers.notifications import tell


@consumes(DecisionMadeEvent, group="moderation")
async def tell_of_decision(job: Job, event: DecisionMadeEvent) -> None:
    async with job.tools.database.transaction() as tx:
        told = await decisions.whom_to_tell(tx, event.decision_id)
    if told.has_statement:
        await tell(job, Cause("account", "decision", event.decision_id, 0), [event.user_id])
    if told.case_id is not None:
        await tell(job, Cause("report", "case", told.case_id, 0), told.reporter_ids)


@consumes(DecisionEndedEvent, group="moderation")
async def tell_of_end(job: Job, event: DecisionEndedEvent) -> None:
    """An appeal tells of itself, and what was not told of has no end to tell of."""
    async with job.tools.database.transaction() as tx:
        told = await decisions.whom_to_tell(tx, event.decision_id)
    if told.has_statement and told.end_reason != "overturned" and event.action != "warn":
        await tell(job, Cause("account", "decision_end", event.decision_id, 0), [event.user_id])
    if told.case_id is not None and told.end_reason == "undone" and event.action != "approve":
        await tell(job, Cause("report", "decision_end", event.decision_id, 0), told.reporter_ids)


@consumes(AppealDecidedEvent, group="moderation")
async def tell_of_appeal(job: Job, event: AppealDecidedEvent) -> None:
    await tell(job, Cause("account", "appeal", event.appeal_id, 0), [event.user_id])
    async with job.tools.database.transaction() as tx:
        told = await appeals.whom_to_tell(tx, event.appeal_id)
    if told is not None:
        await tell(job, Cause("report", "case", told.case_id, 0), told.reporter_ids)
