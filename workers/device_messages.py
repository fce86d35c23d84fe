"""Messages to the devices of one user: due notifications, and dismissals of those that were seen elsewhere."""

import asyncio
from collections.abc import Sequence

from senders.sender import DeadToken, Endpoint, Message, Outcome
from senders.view import MOST_IDS, device_message, dismissal
from storage import devices
from storage.devices import DeviceRow
from storage.notification_deliveries import DueDelivery
from workers.due_state import Known, devices_of
from workers.job import Tools


async def send(tools: Tools, known: Known, deliveries: Sequence[DueDelivery]) -> dict[int, Outcome]:
    """Send to each device of the user one message about all that it has not got yet. Returns outcomes by device."""
    newest_first = sorted(deliveries, key=lambda each: -each.notification_id)
    sending = {}
    for device in devices_of(known, deliveries[0].user_id, deliveries[0].channel):
        rows = [known.rows[each.notification_id] for each in newest_first if device["id"] not in each.sent_to]
        if rows:
            sending[device["id"]] = _send_to(tools, device, device_message(rows, known.details, device["locale"]))
    return dict(zip(sending, await asyncio.gather(*sending.values()), strict=True))


async def dismiss(tools: Tools, known: Known, deliveries: Sequence[DueDelivery]) -> None:
    """Dismiss notifications that were seen elsewhere. This is tried once: if it is lost, the message stays."""
    ids = sorted((each.notification_id for each in deliveries), reverse=True)
    for start in range(0, len(ids), MOST_IDS):
        message = dismissal(ids[start : start + MOST_IDS])
        to = devices_of(known, deliveries[0].user_id, "dismiss")
        await asyncio.gather(*(_send_to(tools, device, message) for device in to))


async def _send_to(tools: Tools, row: DeviceRow, message: Message) -> Outcome:
    outcome = await tools.providers.send(Endpoint(row["kind"], row["token"], row["locale"]), message)
    if isinstance(outcome, DeadToken):
        async with tools.database.transaction() as tx:
            await devices.remove_dead(tx, row["id"], outcome.since)
    return outcome
