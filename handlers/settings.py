"""Settings of the caller's account: who may contact the caller, language and time zone."""

import msgspec

from domain.ages import ADULT
from handlers.call import Call
from protocol import errors
from protocol.rpc import NoArguments, methods
from protocol.settings import AccountSettings, SettingsChanged, UpdateSettings
from storage import account_settings
from storage.account_settings import SettingsRow
from storage.database import Transaction


@methods.rpc("settings.get", reads=True)
async def get_settings(call: Call, request: NoArguments, tx: Transaction) -> AccountSettings:
    """The caller's settings."""
    return _present(await account_settings.load(tx, call.viewer.id))


@methods.rpc("settings.update")
async def update_settings(call: Call, request: UpdateSettings, tx: Transaction) -> AccountSettings:
    """Change the caller's settings. Chats and comments that exist stay as they are."""
    given = {
        field: None if value is msgspec.UNSET else value for field, value in msgspec.structs.asdict(request).items()
    }
    changed = _present(await account_settings.update(tx, call.viewer.id, **given))
    if request.suggest_me is True and not changed.suggest_me:
        raise errors.failed_precondition(f"users below {ADULT} are suggested to nobody")
    push = SettingsChanged(id=f"settings.changed:{call.request_id}", settings=changed)
    call.push_to_own_devices(push)
    return changed


def _present(row: SettingsRow | None) -> AccountSettings:
    if row is None:  # a user for load tests has no account
        raise errors.not_found("account")
    return AccountSettings(**row)
