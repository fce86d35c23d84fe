"""Notices to the address of the viewer's account, which the user cannot switch off."""

from protocol.account_mails import NoticeKind
from storage.database import Transaction

__all__ = ["NoticeKind", "add"]


async def add(tx: Transaction, kind: NoticeKind, detail: str = "") -> None:
    """Workers send it at once after the commit. detail: a device's name, a username, or a date."""
    await tx.execute("SELECT notify_account($1, $2)", kind, detail)
