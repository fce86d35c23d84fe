"""Preferences of notifications: channels by kind, grouping, quiet hours, and policies for strangers."""

from datetime import time
from typing import get_args

import msgspec

from domain.notification_rules import URGENT
from handlers.call import Call
from protocol import errors
from protocol.notifications import (
    Channels,
    Kind,
    KindChoices,
    NotificationPreferences,
    NotificationPreferencesChanged,
    QuietHours,
    SetNotificationPreferences,
)
from protocol.rpc import NoArguments, methods
from storage import notification_preferences
from storage.database import Transaction
from storage.notification_preferences import PreferencesRow

Choices = dict[str, dict[str, bool]]  # kind → channel → choice


@methods.rpc("notification.preferences", reads=True)
async def get_preferences(call: Call, request: NoArguments, tx: Transaction) -> NotificationPreferences:
    """The caller's preferences, with defaults where the caller chose nothing."""
    return _present(await notification_preferences.load(tx, call.viewer.id))


@methods.rpc("notification.set_preferences")
async def set_preferences(call: Call, request: SetNotificationPreferences, tx: Transaction) -> NotificationPreferences:
    """Change the caller's preferences, also for notifications that are not sent yet."""
    if request.channels is not msgspec.UNSET:
        _check_urgent(request.channels)
    row = await notification_preferences.lock(tx, call.viewer.id)
    quiet = (row["quiet_from"], row["quiet_until"])
    if request.quiet_hours is None:
        quiet = (None, None)
    elif isinstance(request.quiet_hours, QuietHours):
        if request.quiet_hours.start == request.quiet_hours.end:
            raise errors.invalid("quiet_hours.end", "equals the start")
        quiet = (time.fromisoformat(request.quiet_hours.start), time.fromisoformat(request.quiet_hours.end))
    changed = PreferencesRow(
        channels=msgspec.json.encode(_merged(_choices(row), request)).decode(),
        ungrouped=row["ungrouped"] if request.ungrouped is msgspec.UNSET else sorted({*request.ungrouped}),
        quiet_from=quiet[0],
        quiet_until=quiet[1],
        strangers=row["strangers"] if request.strangers is msgspec.UNSET else request.strangers,
        new_accounts=row["new_accounts"] if request.new_accounts is msgspec.UNSET else request.new_accounts,
    )
    await notification_preferences.save(tx, call.viewer.id, **changed)
    preferences = _present(changed)
    push = NotificationPreferencesChanged(
        id=f"notification.preferences_changed:{call.request_id}", preferences=preferences
    )
    call.push_to_own_devices(push)
    return preferences


def _choices(row: PreferencesRow) -> Choices:
    return msgspec.json.decode(row["channels"], type=Choices)


def _check_urgent(channels: KindChoices) -> None:
    """Raises INVALID_ARGUMENT for the attempt to switch off notifications that reveal an attacker."""
    asked: Choices = msgspec.to_builtins(channels)
    for kind in URGENT & asked.keys():
        for channel, is_on in asked[kind].items():
            if not is_on:
                raise errors.invalid(f"channels.{kind}.{channel}", "cannot be switched off")


def _merged(choices: Choices, request: SetNotificationPreferences) -> Choices:
    merged = dict(choices)
    if request.channels is not msgspec.UNSET:
        asked: Choices = msgspec.to_builtins(request.channels)  # leaves out what is unset
        for kind, channels in asked.items():
            merged[kind] = {**merged.get(kind, {}), **channels}
    return merged


def _chosen(choices: Choices, kind: Kind) -> dict[str, bool]:
    """The choices without those for urgent notifications, which older code allowed."""
    return {} if kind in URGENT else choices.get(kind, {})


def _present(row: PreferencesRow) -> NotificationPreferences:
    choices = _choices(row)
    return NotificationPreferences(
        channels={
            kind: Channels(**{"socket": True, "push": True, "email": kind in URGENT, **_chosen(choices, kind)})
            for kind in get_args(Kind)
        },
        ungrouped=row["ungrouped"],
        quiet_hours=QuietHours(start=f"{row['quiet_from']:%H:%M}", end=f"{row['quiet_until']:%H:%M}")
        if row["quiet_from"] is not None
        else None,
        strangers=row["strangers"],
        new_accounts=row["new_accounts"],
    )
