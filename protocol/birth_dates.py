"""Messages about the birth date of the caller."""

import datetime

import msgspec

from protocol.fields import Request


class CorrectBirthDate(Request, frozen=True):
    birth_date: datetime.date


class BirthDate(msgspec.Struct, frozen=True):
    """is_private: of the account; that of a minor is private."""

    birth_date: datetime.date
    is_private: bool
