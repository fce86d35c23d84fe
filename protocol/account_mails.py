"""Kinds of e-mails about accounts."""

from typing import Literal, get_args

CodeKind = Literal["verify_email", "reset_password", "change_email"]
MailKind = Literal["verify_email", "reset_password", "change_email", "email_changed"]
CODE_KINDS: tuple[CodeKind, ...] = get_args(CodeKind)
MAIL_KINDS: tuple[MailKind, ...] = get_args(MailKind)
