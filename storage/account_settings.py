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
    suggest_me: bool


# As `is_minor` in storage/functions/explore.sql says.
_IS_SUGGESTED = "suggest_me AND (birth_date IS NULL OR birth_date <= (now() - interval '18 years')::date)"
_COLUMNS = ", ".join(SettingsRow.__annotations__).replace("suggest_me", f"{_IS_SUGGESTED} AS suggest_me")


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
    suggest_me: bool | None,
) -> SettingsRow | None:
    """None leaves a column as it is. Returns the new settings."""
    row = await tx.fetchrow(
        f"""UPDATE accounts SET messages_from = coalesce($2, messages_from),
            comments_from = coalesce($3, comments_from), mentions_from = coalesce($4, mentions_from),
            locale = coalesce($5, locale), timezone = coalesce($6, timezone),
            suggest_me = coalesce($7, suggest_me)
        WHERE user_id = $1 RETURNING {_COLUMNS}""",
        user_id,
        messages_from,
        comments_from,
        mentions_from,
        locale,
        timezone,
        suggest_me,
    )
    return cast("SettingsRow | None", row)
