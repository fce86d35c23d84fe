"""Reactions to reports and cases: the counts of a case, and pushes to moderators."""

from collections.abc import Sequence

from domain.moderation_channel import QUEUE
from protocol.cases import CaseClaimed, CaseCounted, CaseDecided, CaseOpened, CaseReleased
from protocol.events import CaseChangedEvent, CaseOpenedEvent, ReportCreatedEvent, ReportRetractedEvent
from protocol.pushes import Push
from storage import cases, present_cases
from workers.job import Job, consumes, consumes_many


@consumes(CaseOpenedEvent, group="cases")
async def announce_case(job: Job, event: CaseOpenedEvent) -> None:
    """Safe to repeat: a channel takes a push with the same id once."""
    async with job.tools.database.transaction() as tx:
        [row] = await cases.load(tx, [event.case_id])
    push = CaseOpened(id=f"case.opened:{event.case_id}", case=present_cases.summary(row))
    await job.tools.broadcaster.publish(QUEUE, push)


@consumes(CaseChangedEvent, group="cases")
async def announce_change(job: Job, event: CaseChangedEvent) -> None:
    """Push the current state of the case: a claim that has ended since is pushed as a release."""
    async with job.tools.database.transaction() as tx:
        [row] = await cases.load(tx, [event.case_id])
    case, push_id = present_cases.summary(row), f"case.changed:{job.event_id}"
    push: Push
    if case.action is not None:
        push = CaseDecided(id=push_id, case_id=case.id, action=case.action, decided_by=case.decided_by)
    elif case.claimed_by is not None and case.claimed_until is not None:
        push = CaseClaimed(id=push_id, case_id=case.id, claimed_by=case.claimed_by, claimed_until=case.claimed_until)
    else:
        push = CaseReleased(id=push_id, case_id=case.id)
    await job.tools.broadcaster.publish(QUEUE, push)


@consumes_many(ReportCreatedEvent, group="cases")
async def count_new_reports(jobs: Sequence[Job], events: Sequence[ReportCreatedEvent]) -> None:
    await _count(jobs, [event.case_id for event in events])


@consumes_many(ReportRetractedEvent, group="cases")
async def count_retracted_reports(jobs: Sequence[Job], events: Sequence[ReportRetractedEvent]) -> None:
    await _count(jobs, [event.case_id for event in events])


async def _count(jobs: Sequence[Job], case_ids: Sequence[int]) -> None:
    """Safe to repeat: it counts the reports in force. Several events of one case need one count."""
    job = jobs[-1]
    for case_id in dict.fromkeys(case_ids):
        async with job.tools.database.transaction() as tx:
            counted = await cases.count_reports(tx, case_id)
        if counted is not None:
            push = CaseCounted(
                id=f"case.counted:{case_id}:{job.event_id}",
                case_id=str(case_id),
                report_count=counted.report_count,
                severity=counted.severity,
                priority=counted.priority,
            )
            await job.tools.broadcaster.publish(QUEUE, push)
