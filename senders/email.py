"""E-mail, by a mail server that accepts messages from us (SMTP submission, always encrypted)."""

import re
import ssl
from contextlib import suppress
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as LINES
from email.utils import formatdate, parseaddr
from html import escape
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from aiosmtplib import (
    SMTP,
    SMTPException,
    SMTPNotSupported,
    SMTPRecipientsRefused,
    SMTPResponseException,
)

from senders.sender import Accepted, DeadToken, Endpoint, Message, Outcome, Rejected, Retry, Unusable
from senders.texts import language_of

TIMEOUT_S = 10.0  # of each step
RETRY_S = 300.0  # mail servers that greylist accept a repetition after a few minutes

# Enhanced status codes (RFC 3463, 7505) of addresses that do not exist. A refusal without one of these may be a policy:
# the address stays.
DEAD = {"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"}
_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}\b")


class MailServer(NamedTuple):
    host: str
    port: int
    username: str | None
    password: str | None
    is_tls: bool
    """From the beginning; otherwise by STARTTLS."""


def read_url(url: str) -> MailServer:
    """Read smtp://user:password@host:port or smtps://… Raises ValueError."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:  # its text may contain the password
        host, port = None, None
    if not host or parts.scheme not in ("smtp", "smtps"):
        raise ValueError("it is not smtp://user:password@host:port or smtps://…")
    is_tls = parts.scheme == "smtps"
    username = unquote(parts.username) if parts.username else None
    password = unquote(parts.password) if parts.password else None
    return MailServer(host, port or (465 if is_tls else 587), username, password, is_tls)


class Email:
    most_at_once = 5  # connections; mail servers refuse many from one client

    def __init__(self, server: MailServer, sender: str, unsubscribe: str, tls: ssl.SSLContext | None = None) -> None:
        """sender: an address, with or without a name. unsubscribe: a mailto: or https: URL.

        tls: for servers whose certificates the system does not trust. Raises ValueError for a wrong sender.
        """
        self._server = server
        self._sender = sender
        self._domain = _address(parseaddr(sender)[1]).domain
        self._unsubscribe = unsubscribe
        self._tls = tls or ssl.create_default_context()

    async def send(self, device: Endpoint, message: Message) -> Outcome:
        if message.silent:
            return Rejected("silent")
        try:
            mail = self._compose(device, message)
        except ValueError:  # what accounts accept as an address may be none to a mail server
            return DeadToken("not an address")
        client = self._client()
        try:
            await client.connect()
        except (SMTPException, OSError) as error:
            # It is out of reach, or does not accept us: our password, or it has no STARTTLS.
            return Retry(30.0 if isinstance(error, OSError) else RETRY_S, _reason(error), is_for_all=True)
        try:
            await client.send_message(mail)
        except SMTPNotSupported as error:  # the address has letters that this server cannot write
            return Rejected(_reason(error))
        except (SMTPException, OSError) as error:
            return _outcome(error)
        else:
            await _leave(client)
            return Accepted()
        finally:
            client.close()

    async def ping(self) -> str:
        client = self._client()
        try:
            await client.connect()
            await _leave(client)
        except (SMTPException, OSError) as error:
            raise Unusable(_reason(error)) from None
        finally:
            client.close()
        return f"at {self._server.host}:{self._server.port}, from {self._sender}"

    async def close(self) -> None:
        pass  # each message has its own connection

    def _client(self) -> SMTP:
        server = self._server
        return SMTP(
            hostname=server.host, port=server.port, username=server.username, password=server.password,
            use_tls=server.is_tls, start_tls=not server.is_tls, tls_context=self._tls, timeout=TIMEOUT_S,
            local_hostname=self._domain,
        )  # fmt: skip

    def _compose(self, device: Endpoint, message: Message) -> EmailMessage:
        """Raises ValueError if the device's token is not an address."""
        language, direction = language_of(device.locale)
        mail = EmailMessage(LINES)
        mail["From"] = self._sender
        mail["To"] = _address(device.token)
        mail["Subject"] = message.title
        mail["Date"] = formatdate()
        # From the delivery, so that a mailbox shows a repetition once.
        mail["Message-ID"] = f"<delivery-{message.delivery_id}@{self._domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail["Content-Language"] = language
        if not message.is_about_account:
            mail["List-Unsubscribe"] = f"<{self._unsubscribe}>"
        mail.set_content("\n\n".join(filter(None, (message.title, message.body))), cte="base64")
        mail.add_alternative(
            f'<!doctype html><html lang="{language}" dir="{direction}"><meta charset="utf-8">'
            f"<p><strong>{escape(message.title)}</strong></p><p>{escape(message.body)}</p></html>",
            subtype="html",
            cte="base64",
        )
        return mail


def _address(text: str) -> Address:
    """Raises ValueError for text that a mail server would read as another address, as with comments and commas."""
    address = Address(addr_spec=text)
    if address.addr_spec != text or not address.domain:
        raise ValueError("not an address")
    return address


async def _leave(client: SMTP) -> None:
    with suppress(SMTPException, OSError):
        await client.quit()


def _outcome(error: Exception) -> Outcome:
    if isinstance(error, SMTPRecipientsRefused):
        [error] = error.recipients  # there is one recipient
    if not isinstance(error, SMTPResponseException):
        return Retry(30.0, _reason(error))
    reason = _reason(error)
    if error.code < 500:
        return Retry(RETRY_S, reason, is_for_all=error.code == 421)
    return DeadToken(reason) if reason in DEAD else Rejected(reason)


def _reason(error: Exception) -> str:
    """Return the enhanced status code, or the code, or the class: a server's text may name addresses."""
    if isinstance(error, SMTPResponseException):
        enhanced = _ENHANCED.match(error.message)
        return enhanced[0] if enhanced else str(error.code)
    return error.message if type(error) is SMTPException else type(error).__name__
