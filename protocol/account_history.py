"""Messages about what happened to the caller's account."""

import msgspec

from protocol.fields import Cursor, PageSize, Request, Username


class ListHistory(Request, frozen=True):
    cursor: Cursor | None = None
    limit: PageSize | None = None


class HistoryItem(msgspec.Struct, frozen=True):
    """`action`: such as `auth.login`. `network`: the beginning of the address; it names no place."""

    id: str
    action: str
    device: str | None
    network: str | None
    at: str
    current: bool


class AccountHistory(msgspec.Struct, frozen=True):
    items: list[HistoryItem]
    next_cursor: str | None


class ChangeUsername(Request, frozen=True):
    username: Username


class CredentialState(msgspec.Struct, frozen=True):
    """How the caller's account is protected. `username_changes_at`: null if it may be changed now."""

    email: str
    email_verified: bool
    second_factor: bool
    recovery_codes_left: int
    username_changes_at: str | None
