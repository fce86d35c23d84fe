"""A mail server that accepts messages over TLS from clients that know the password."""

import asyncio
import warnings
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.senders.certificates import Trust

USER, PASSWORD = "daira", "p@ss:word/1"


class MailServer:
    """Its handler, too. The next recipients and messages get `answers` instead of being accepted."""

    def __init__(self, trust: Trust, *, is_tls: bool = False, starts_tls: bool = True) -> None:
        """is_tls: from the beginning. starts_tls: offers STARTTLS, and refuses clients that do not use it."""
        self._trust = trust
        self._is_tls = is_tls
        self._starts_tls = starts_tls and not is_tls
        self._server: asyncio.Server | None = None
        self.received: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.farewells = 0
        self.recipient_answers: list[str] = []
        self.message_answers: list[str] = []

    async def start(self, port: int = 0) -> None:
        loop = asyncio.get_running_loop()
        tls = self._trust.server if self._is_tls else None
        self._server = await loop.create_server(self._protocol, "127.0.0.1", port, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.recipient_answers:
            return self.recipient_answers.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.message_answers:
            return self.message_answers.pop(0)
        assert isinstance(envelope.content, bytes)
        message = message_from_bytes(envelope.content, policy=default)
        assert isinstance(message, EmailMessage)
        self.received.append(message)
        self.recipients.extend(envelope.rcpt_tos)
        return "250 2.0.0 OK"

    async def handle_QUIT(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.farewells += 1
        return "221 2.0.0 Bye"

    def _protocol(self) -> SMTP:
        tls = self._trust.server if self._starts_tls else None
        with warnings.catch_warnings():
            # It does not notice that uvloop's connections are encrypted from the beginning.
            warnings.simplefilter("ignore", UserWarning)
            return SMTP(
                self, hostname="localhost", auth_required=True, auth_require_tls=not self._is_tls, tls_context=tls,
                authenticator=_authenticate, require_starttls=self._starts_tls, loop=asyncio.get_running_loop(),
            )  # fmt: skip


def _authenticate(server: SMTP, session: Session, envelope: Envelope, mechanism: str, credentials: Any) -> AuthResult:
    is_right = isinstance(credentials, LoginPassword) and credentials == LoginPassword(USER.encode(), PASSWORD.encode())
    return AuthResult(success=is_right, handled=False)
