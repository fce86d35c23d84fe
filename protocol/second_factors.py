"""Messages about the second factor of the caller's account."""

import msgspec

from protocol.auth import Device
from protocol.fields import Password, Request, SecondFactorCode


class ConfirmLogin(Request, frozen=True):
    """`challenge`: of `auth.login` or `account.cancel_delete`. `device`: as in that call."""

    challenge: str
    code: SecondFactorCode
    device: Device | None = None


class EnableTotp(Request, frozen=True):
    password: Password


class TotpSecret(msgspec.Struct, frozen=True):
    """For an authenticator app, as a text to type and as a URI to show as a QR code."""

    secret: str
    uri: str


class ConfirmTotp(Request, frozen=True):
    """`code`: of the authenticator app."""

    code: SecondFactorCode


class RecoveryCodes(msgspec.Struct, frozen=True):
    """Each signs in once instead of a code of the app. They are shown only now; earlier ones are worthless."""

    recovery_codes: list[str]


class DisableTotp(Request, frozen=True):
    password: Password
    code: SecondFactorCode


class RenewRecoveryCodes(Request, frozen=True):
    code: SecondFactorCode


class ProveSecondFactor(Request, frozen=True):
    code: SecondFactorCode
