"""Moderation: judges texts that were flagged when they were published, by their spam score and an outside classifier.

What is very likely spam is shadowed: it is the only restriction that a score decides. All other findings open a case,
and a moderator decides.
"""

from moderation.classifier import Question
from moderation.spam_score import CASE_FROM, SHADOW_FROM
from protocol.events import ContentFlaggedEvent
from protocol.moderation import Reason
from storage import cases, decisions, flagged, handled_events
from workers.job import Job, consumes

GROUP = "moderation"


@consumes(ContentFlaggedEvent, group=GROUP)
async def judge_flagged(job: Job, event: ContentFlaggedEvent) -> None:
    """An event is handled once, so what a moderator has undone stays undone."""
    if job.is_repeated:
        return
    async with job.tools.database.transaction() as tx:
        content = await flagged.load(tx, event.target_type, event.target_id)
    if content is None or not content["text"]:
        return
    scores: dict[Reason, float] = {"spam": event.score}
    if job.tools.classifier is not None:
        question = Question(
            id=str(job.event_id),
            target_type=event.target_type,
            target_id=str(event.target_id),
            text=content["text"],
            age_h=content["age_s"] / 3_600,
            is_verified=content["is_verified"],
        )
        for reason, score in (await job.tools.classifier.ask(question) or {}).items():
            scores[reason] = max(score, scores.get(reason, 0.0))
    found = sorted((reason for reason in scores if scores[reason] >= CASE_FROM), key=lambda reason: -scores[reason])
    if not found:
        return
    async with job.transaction() as tx:
        await handled_events.add(tx, [job.event_id])
        if scores["spam"] >= SHADOW_FROM:
            note = f"spam score {scores['spam']:.2f}"
            draft = decisions.DecisionDraft(event.target_type, event.target_id, "shadow", "spam", note=note)
            await decisions.decide(tx, draft, by="system")
        for reason in found:
            await cases.open_case(tx, event.target_type, event.target_id, source="classifier", reason=reason)
    job.tools.outbox.wake_relay()
