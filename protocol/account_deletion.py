"""Messages about the deletion of the caller's account."""

import msgspec

from protocol.auth import Device
from protocol.fields import Email, Password, Request


class DeleteAccount(Request, frozen=True):
    password: Password


class AccountLeaving(msgspec.Struct, frozen=True):
    """The account is hidden, and is erased at that time."""

    erase_at: str


class CancelDeletion(Request, frozen=True):
    """As `Login`."""

    email: Email
    password: Password
    device: Device | None = None
