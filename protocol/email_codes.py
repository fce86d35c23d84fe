"""Messages about codes that are sent by e-mail: to verify an address, to reset a password, to change the address."""

from protocol.fields import Email, EmailCode, Password, Request


class VerifyEmail(Request, frozen=True):
    code: EmailCode


class RequestPasswordReset(Request, frozen=True):
    email: Email


class ResetPassword(Request, frozen=True):
    email: Email
    code: EmailCode
    new_password: Password


class ChangeEmail(Request, frozen=True):
    password: Password
    new_email: Email


class ConfirmEmail(Request, frozen=True):
    """`code` was sent to the new address."""

    code: EmailCode
