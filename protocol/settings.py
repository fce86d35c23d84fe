"""Messages about the settings of the caller's account."""

from typing import ClassVar, Literal

import msgspec
from msgspec import UNSET, UnsetType

from protocol.fields import Locale, Request, TimeZone
from protocol.pushes import Flow, Push
from protocol.standing import LabelChoice

# `followers` follow the user; `followed` are those whom the user follows.
ContactAudience = Literal["everyone", "followers", "followed", "nobody"]


class LabelChoices(msgspec.Struct, frozen=True):
    """How the user sees what carries a label.

    show: as other content. blur: covered, until the user uncovers it; clients do that. hide: lists leave it out, and
    clients cover content that is loaded by its id. `sexual` and `graphic` are hidden from users below 18.
    """

    sensitive: LabelChoice
    violence: LabelChoice
    sexual: LabelChoice
    spoiler: LabelChoice
    misleading: LabelChoice
    graphic: LabelChoice


class AccountSettings(msgspec.Struct, frozen=True):
    """`messages_from`, `comments_from` and `mentions_from`: who may contact the user so.

    A message of an admitted user whom the caller does not follow is a request first. Users below 18 get messages only
    of users whom they follow. suggest_me: whether the user is suggested to others as a person whom they may know; users
    below 18 never are.
    """

    messages_from: ContactAudience
    comments_from: ContactAudience
    mentions_from: ContactAudience
    locale: str
    timezone: str
    suggest_me: bool
    labels: LabelChoices


class UpdateLabels(Request, frozen=True):
    """Absent fields stay as they are."""

    sensitive: LabelChoice | UnsetType = UNSET
    violence: LabelChoice | UnsetType = UNSET
    sexual: LabelChoice | UnsetType = UNSET
    spoiler: LabelChoice | UnsetType = UNSET
    misleading: LabelChoice | UnsetType = UNSET
    graphic: LabelChoice | UnsetType = UNSET


class UpdateSettings(Request, frozen=True):
    """Absent fields stay as they are."""

    messages_from: ContactAudience | UnsetType = UNSET
    comments_from: ContactAudience | UnsetType = UNSET
    mentions_from: ContactAudience | UnsetType = UNSET
    locale: Locale | UnsetType = UNSET
    timezone: TimeZone | UnsetType = UNSET
    suggest_me: bool | UnsetType = UNSET
    labels: UpdateLabels | UnsetType = UNSET


class SettingsChanged(Push, frozen=True):
    """To the user's own devices."""

    event: ClassVar[str] = "settings.changed"
    flow: ClassVar[Flow] = "conflate"
    settings: AccountSettings
