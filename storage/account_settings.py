"""The settings of the viewer's account."""

from typing import TypedDict, cast

from protocol.settings import ContactAudience
from storage.database import Transaction


class SettingsRow(TypedDict):
    messages_from: ContactAudience
    comments_from: ContactAudience
    mentions_from: ContactAudience
    locale: str
    timezone: str


_COLUMNS = ", ".join(SettingsRow.__annotations__)


async def load(tx: Transaction, user_id: int) -> SettingsRow | None:
    row = await tx.fetchrow(f"SELECT {_COLUMNS} FROM accounts WHERE user_id = $1", user_id)
    return cast("SettingsRow | None", row)


async def update(
    tx: Transaction,
    user_id: int,
    *,
    messages_from: ContactAudience | None,
    comments_from: ContactAudience | None,
    mentions_from: ContactAudience | None,
    locale: str | None,
    timezone: str | None,
) -> SettingsRow | None:
    """None leaves a column as it is. Returns the new settings."""
    row = await tx.fetchrow(
        f"""UPDATE accounts SET messages_from = coalesce($2, messages_from),
            comments_from = coalesce($3, comments_from), mentions_from = coalesce($4, mentions_from),
            locale = coalesce($5, locale), timezone = coalesce($6, timezone)
        WHERE user_id = $1 RETURNING {_COLUMNS}""",
        user_id,
        messages_from,
        comments_from,
        mentions_from,
        locale,
        timezone,
    )
    return cast("SettingsRow | None", row)
