"""Notifications of moderation: to the user whom a decision concerns, and to the users who reported the case.

Each user is notified once of a decision, of its end, of an appeal and of a report, however often the event is repeated.
Reporters are notified of the outcome of their case, and of an appeal or an undo that ends its decision. The SQL
function `make_decision` also sends an e-mail about a suspension.
"""

from protocol.events import AppealDecidedEvent, DecisionEndedEvent, DecisionMadeEvent
from storage import appeals, decisions
from storage.notifications import Cause
from workers.job import Job, consumes
from workers.notifications import notify


@consumes(DecisionMadeEvent, group="moderation")
async def notify_of_decision(job: Job, event: DecisionMadeEvent) -> None:
    async with job.tools.database.transaction() as tx:
        audience = await decisions.recipients_of(tx, event.decision_id)
    if audience.has_statement:
        await notify(job, Cause("account", "decision", event.decision_id, 0), [event.user_id])
    if audience.case_id is not None:
        await notify(job, Cause("report", "case", audience.case_id, 0), audience.reporter_ids)


@consumes(DecisionEndedEvent, group="moderation")
async def notify_of_end(job: Job, event: DecisionEndedEvent) -> None:
    """No notification: if an appeal ended the decision, or if the decision itself notified nobody."""
    async with job.tools.database.transaction() as tx:
        audience = await decisions.recipients_of(tx, event.decision_id)
    if audience.has_statement and audience.end_reason != "overturned" and event.action != "warn":
        await notify(job, Cause("account", "decision_end", event.decision_id, 0), [event.user_id])
    if audience.case_id is not None and audience.end_reason == "undone" and event.action != "approve":
        await notify(job, Cause("report", "decision_end", event.decision_id, 0), audience.reporter_ids)


@consumes(AppealDecidedEvent, group="moderation")
async def notify_of_appeal(job: Job, event: AppealDecidedEvent) -> None:
    await notify(job, Cause("account", "appeal", event.appeal_id, 0), [event.user_id])
    async with job.tools.database.transaction() as tx:
        audience = await appeals.recipients_of(tx, event.appeal_id)
    await notify(job, Cause("report", "case", audience.case_id, 0), audience.case_reporter_ids)
    await notify(job, Cause("report", "decision_end", audience.decision_id, 0), audience.decision_reporter_ids)
