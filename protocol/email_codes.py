"""Messages about codes that are sent by e-mail: to verify an address, to reset a password, to change the address."""

from protocol.fields import Email, EmailCode, Password, Request, SecondFactorCode


class VerifyEmail(Request, frozen=True):
    code: EmailCode


class RequestPasswordReset(Request, frozen=True):
    email: Email


class ResetPassword(Request, frozen=True):
    email: Email
    code: EmailCode
    new_password: Password


class ChangeEmail(Request, frozen=True):
    """`code`: of the second factor, if the account has one."""

    password: Password
    new_email: Email
    code: SecondFactorCode | None = None


class ConfirmEmail(Request, frozen=True):
    """`code` was sent to the new address."""

    code: EmailCode
