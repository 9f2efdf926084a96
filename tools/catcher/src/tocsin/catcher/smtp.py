"""The SMTP server: takes what a mail provider would take, refuses what it would refuse."""

import asyncio
import hmac
from collections.abc import Callable
from datetime import datetime
from email.parser import BytesHeaderParser

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from .mail import read_mail
from .mailbox import Mailbox

_LARGEST_MAIL = 20 * 1024 * 1024
_GONE = "no-such-mailbox"
"""With it begin the names of mailboxes that are no more."""


class MailCatcher:
    """aiosmtpd's handler. Each recipient of an envelope gets a message of its own."""

    def __init__(self, *, mailbox: Mailbox, now: Callable[[], datetime]) -> None:
        self._mailbox = mailbox
        self._now = now

    async def handle_RCPT(  # noqa: N802 aiosmtpd names its hooks so
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """A recipient needs a mailbox name and a domain, and some mailboxes are no more (RFC 3463, 3.2)."""
        name, _, domain = address.rpartition("@")
        if not name or not domain:
            return "553 5.1.3 The recipient address is not a valid RFC 5321 address"
        if name.lower().startswith(_GONE):
            return "550 5.1.1 The mailbox does not exist"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 aiosmtpd names its hooks so
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Keeps the mail; one without exactly one From is refused, as large providers do (RFC 5322, 3.6)."""
        content = envelope.content
        if not isinstance(content, bytes):
            return "554 5.6.0 The message could not be read"
        if len(BytesHeaderParser().parsebytes(content).get_all("From", [])) != 1:
            return "550 5.7.1 The message must have exactly one From header"
        for recipient in envelope.rcpt_tos:
            mail = read_mail(
                content,
                envelope_from=envelope.mail_from or "",
                to=recipient,
                received_at=self._now(),
                provider="smtp",
            )
            self._mailbox.add(mail)
        return "250 2.0.0 Caught"


async def open_smtp(
    *, host: str, port: int, catcher: MailCatcher, username: str | None = None, password: str | None = None
) -> asyncio.Server:
    """Listens at once; AUTH is required when a user name is given, and offered without TLS, as this is loopback."""

    def authenticate(
        _server: SMTP, _session: Session, _envelope: Envelope, _how: str, given: object
    ) -> AuthResult:
        if not isinstance(given, LoginPassword) or username is None or password is None:
            return AuthResult(success=False, handled=False)
        right = hmac.compare_digest(given.login, username.encode()) and hmac.compare_digest(
            given.password, password.encode()
        )
        return AuthResult(success=right, handled=False)

    def connection() -> SMTP:
        return SMTP(
            catcher,
            hostname="catcher.localhost",
            ident="Tocsin catcher",
            data_size_limit=_LARGEST_MAIL,
            enable_SMTPUTF8=True,
            authenticator=authenticate if username else None,
            auth_required=username is not None,
            auth_require_tls=False,
        )

    return await asyncio.get_running_loop().create_server(connection, host, port)
