"""Kinds of e-mails about accounts."""

from typing import Literal

CodeKind = Literal["verify_email", "reset_password", "change_email"]
NoticeKind = Literal[
    "totp_enabled", "totp_disabled", "recovery_code_used", "new_device", "password_changed", "username_changed",
    "suspended", "account_leaving",
]  # fmt: skip
MailKind = CodeKind | NoticeKind | Literal["email_changed"]
