"""Messages about archives of everything about a user."""

from typing import ClassVar, Literal

import msgspec

from protocol.fields import Password, Request
from protocol.pushes import Push


class ExportAccount(Request, frozen=True):
    password: Password


class AccountExport(msgspec.Struct, frozen=True):
    """An archive (ZIP) of everything about the caller.

    `url`: of a ready one, valid for a few minutes; ask again for a new one. `expires_at`: when the archive is deleted.
    """

    state: Literal["waiting", "ready"]
    requested_at: str
    size_bytes: int | None = None
    expires_at: str | None = None
    url: str | None = None
    url_expires_at: str | None = None


class AccountExported(Push, frozen=True):
    """To the user's own devices: the archive is ready, and `account.export` returns its URL."""

    event: ClassVar[str] = "account.exported"
    expires_at: str
