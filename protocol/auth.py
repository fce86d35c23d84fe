"""Messages about accounts and sessions."""

import datetime
from typing import ClassVar, Literal

import msgspec

from protocol.fields import (
    Cursor,
    DeviceName,
    DeviceToken,
    Email,
    Fingerprint,
    Id,
    Locale,
    PageSize,
    Password,
    Request,
    Username,
)
from protocol.pushes import Push
from protocol.users import User

RevocationReason = Literal["logout", "revoked", "reused", "password_changed", "suspended", "banned"]


class Device(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`token` is the `device_token` of an earlier sign-in."""

    name: DeviceName | None = None
    fingerprint: Fingerprint | None = None
    token: DeviceToken | None = None


class Register(Request, frozen=True):
    username: Username
    email: Email
    password: Password
    birth_date: datetime.date | None = None
    locale: Locale | None = None
    device: Device | None = None


class Login(Request, frozen=True):
    email: Email
    password: Password
    device: Device | None = None


class Refresh(Request, frozen=True):
    refresh_token: str


class ChangePassword(Request, frozen=True):
    old_password: Password
    new_password: Password


class SignedIn(msgspec.Struct, frozen=True):
    """The answer of register, login and refresh.

    `is_restricted`: the user is suspended, and may call `account.limits`, appeals, export and deletion alone.
    """

    user: User
    session_id: str
    access_token: str
    access_expires_at: str
    refresh_token: str
    refresh_expires_at: str
    device_token: str
    is_restricted: bool = False


class SecondFactorNeeded(msgspec.Struct, frozen=True):
    """The password was right: `auth.confirm_login` with the challenge and a code of the second factor signs in."""

    challenge: str
    challenge_expires_at: str


class ListSessions(Request, frozen=True):
    cursor: Cursor | None = None
    limit: PageSize | None = None


class SessionItem(msgspec.Struct, frozen=True):
    id: str
    device: str | None
    ip: str | None
    created_at: str
    last_seen_at: str
    current: bool


class SessionList(msgspec.Struct, frozen=True):
    items: list[SessionItem]
    next_cursor: str | None


class SessionRef(Request, frozen=True):
    session_id: Id


class SessionReady(Push, frozen=True):
    """`is_restricted`: the user is suspended, and gets no pushes but `session.expired` once that has ended."""

    event: ClassVar[str] = "session.ready"
    session_id: str | None
    user: User | None
    server_time: str
    recovered: bool
    protocol: int
    is_restricted: bool = False


class SessionExpired(Push, frozen=True):
    """The access token expired, or the suspension that restricted it ended: reconnect with a refreshed one."""

    event: ClassVar[str] = "session.expired"


class SessionRevoked(Push, frozen=True):
    event: ClassVar[str] = "session.revoked"
    reason: RevocationReason
