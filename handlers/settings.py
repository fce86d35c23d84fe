"""Settings of the caller's account: who may contact the caller, language and time zone."""

from typing import Any

import msgspec

from domain import labels
from domain.ages import ADULT
from handlers.call import Call
from protocol import errors
from protocol.rpc import NoArguments, methods
from protocol.settings import AccountSettings, LabelChoices, SettingsChanged, UpdateSettings
from storage import account_settings
from storage.account_settings import SettingsRow
from storage.database import Transaction

_COLUMNS = ("messages_from", "comments_from", "mentions_from", "locale", "timezone", "suggest_me")


@methods.rpc("settings.get", reads=True)
async def get_settings(call: Call, request: NoArguments, tx: Transaction) -> AccountSettings:
    """The caller's settings."""
    return _present(await account_settings.load(tx, call.viewer.id))


@methods.rpc("settings.update")
async def update_settings(call: Call, request: UpdateSettings, tx: Transaction) -> AccountSettings:
    """Change the caller's settings. Chats and comments that exist stay as they are."""
    chosen = {} if request.labels is msgspec.UNSET else _given(request.labels)
    if chosen:
        standing = await account_settings.load(tx, call.viewer.id)
        labels.check_may_choose(chosen, is_minor=standing is not None and standing["is_minor"])
    given: dict[str, Any] = {**dict.fromkeys(_COLUMNS), **_given(request)}
    given.pop("labels", None)
    changed = _present(await account_settings.update(tx, call.viewer.id, **given, label_choices=chosen))
    if request.suggest_me is True and not changed.suggest_me:
        raise errors.failed_precondition(f"users below {ADULT} are never suggested")
    push = SettingsChanged(id=f"settings.changed:{call.request_id}", settings=changed)
    call.push_to_own_devices(push)
    return changed


def _present(row: SettingsRow | None) -> AccountSettings:
    if row is None:  # a user for load tests has no account
        raise errors.not_found("account")
    fields: dict[str, Any] = {**row}
    chosen = labels.choices(msgspec.json.decode(fields.pop("label_choices")), is_minor=fields.pop("is_minor"))
    return AccountSettings(**fields, labels=LabelChoices(**chosen))


def _given(request: msgspec.Struct) -> dict[Any, Any]:
    """The fields that the client has sent."""
    return {field: value for field, value in msgspec.structs.asdict(request).items() if value is not msgspec.UNSET}
