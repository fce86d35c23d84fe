"""Deliveries of chats: which messages were sent to devices, and when later ones are due."""

from collections.abc import Sequence

from storage import chat_notifications
from storage.database import Transaction
from storage.notification_deliveries import Step
from workers.due_state import Known
from workers.job import Tools


async def settle_chats(tools: Tools, tx: Transaction, known: Known, steps: Sequence[Step]) -> None:
    """Record which messages were sent to devices, and schedule a push for later ones."""
    of_chats = [step for step in steps if step.delivery.notification_id in known.last_seqs]
    finished = [step for step in of_chats if step.due_at is None]
    # Devices that got an earlier attempt have not got the messages since then.
    complete = [step for step in of_chats if not step.delivery.sent_to and (step.due_at is None or step.sent_to)]
    if complete:
        ids = [step.delivery.notification_id for step in complete]
        await chat_notifications.record_sent(tx, [(each, known.last_seqs[each]) for each in ids])
    if finished:
        chat_ids = [known.rows[step.delivery.notification_id]["target_id"] for step in finished]
        await chat_notifications.schedule_newer(tx, chat_ids, known.now + tools.delays.push)
