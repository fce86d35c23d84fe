"""The settings of the viewer's account."""

from collections.abc import Mapping
from typing import TypedDict, cast

import orjson

from protocol.moderation import Label
from protocol.settings import ContactAudience
from protocol.standing import LabelChoice
from storage.database import Transaction


class SettingsRow(TypedDict):
    messages_from: ContactAudience
    comments_from: ContactAudience
    mentions_from: ContactAudience
    locale: str
    timezone: str
    suggest_me: bool
    label_choices: str  # JSON
    is_minor: bool


# As `is_minor` in storage/functions/explore.sql says.
_IS_MINOR = "coalesce(birth_date > (now() - interval '18 years')::date, false)"
_COLUMNS = f"""messages_from, comments_from, mentions_from, locale, timezone, label_choices, {_IS_MINOR} AS is_minor,
    suggest_me AND NOT {_IS_MINOR} AS suggest_me"""


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
    label_choices: Mapping[Label, LabelChoice],
) -> SettingsRow | None:
    """None leaves a column as it is, and a label that is left out its choice. Returns the new settings."""
    row = await tx.fetchrow(
        f"""UPDATE accounts SET messages_from = coalesce($2, messages_from),
            comments_from = coalesce($3, comments_from), mentions_from = coalesce($4, mentions_from),
            locale = coalesce($5, locale), timezone = coalesce($6, timezone),
            suggest_me = coalesce($7, suggest_me), label_choices = label_choices || $8
        WHERE user_id = $1 RETURNING {_COLUMNS}""",
        user_id,
        messages_from,
        comments_from,
        mentions_from,
        locale,
        timezone,
        suggest_me,
        orjson.dumps(label_choices).decode(),
    )
    return cast("SettingsRow | None", row)
