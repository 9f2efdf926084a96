"""One kept SMTP connection: connect, log in, hand over mails one after another.

aiosmtplib speaks the protocol. Commands go out one by one: it offers no way to pipeline.
"""

import ssl
from dataclasses import dataclass
from typing import Literal

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPException,
    SMTPResponse,
    SMTPResponseException,
    SMTPServerDisconnected,
)

from tocsin.channel import Accepted, Answer, NotSent, Rejected
from tocsin.contracts.vocabulary import Reason
from tocsin.dispatch_email.smtp_replies import Reply, Step, accepted, lost, read, refused

Tls = Literal["starttls", "implicit", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where to connect, and how."""

    host: str
    port: int
    tls: Tls
    tls_context: ssl.SSLContext | None
    username: str | None
    password: str
    helo: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One mail for one recipient, as bytes; lines end in CRLF, dots are not stuffed."""

    sender: bytes
    recipient: bytes
    international: bool
    message: bytes


class SmtpConnection:
    """A connection and where it stands. After each `hand_over`, `reusable` says whether it can take another mail.

    Nothing here raises for what the server does. Bounded in time by the caller, who closes it when time is up.
    """

    def __init__(self, server: Server, *, opened_at: float) -> None:
        self._server = server
        self._client = SMTP(
            hostname=server.host,
            port=server.port,
            local_hostname=server.helo,
            timeout=None,
            use_tls=server.tls == "implicit",
            start_tls=server.tls == "starttls",
            tls_context=server.tls_context,
        )
        self.opened_at = opened_at
        self.used_at = opened_at
        self.mails = 0
        self.step = Step.CONNECT
        self.reusable = False

    @property
    def connected(self) -> bool:
        """False once the server has closed."""
        return self._client.is_connected

    async def open(self) -> Answer | None:
        """Connect, encrypt, log in: None, or why not."""
        try:
            await self._client.connect()
            if self._server.username is not None:
                self.step = Step.AUTH
                await self._client.login(self._server.username, self._server.password)
            elif self._client.is_ehlo_or_helo_needed:
                await self._client.ehlo()
        except SMTPResponseException as error:
            return refused(self.step, read(error.code, error.message))
        except (SMTPException, OSError) as error:
            return self._not_open(error)
        self.reusable = True
        return None

    async def hand_over(self, envelope: Envelope) -> Answer:
        """Hand one mail over."""
        self.reusable = False
        self.step = Step.MAIL
        if instead := self._cannot_carry(envelope):
            self.reusable = True
            return instead
        try:
            refusal = await self._address(envelope) or await self._hand_in(envelope.message)
        except (SMTPServerDisconnected, OSError):
            return lost(self.step)
        except SMTPResponseException as error:  # a reply that is none
            return refused(self.step, Reply(0, None, error.message))
        self.mails += 1
        if isinstance(refusal, Accepted) or await self._reset():
            self.reusable = self._client.is_connected
        return refusal

    def close(self) -> None:
        """Drop the connection at once."""
        self.reusable = False
        self._client.close()

    async def quit(self) -> None:
        """Take leave as SMTP wants it, then close."""
        try:
            await self._client.quit(timeout=1.0)
        except (SMTPException, OSError):
            self._client.close()

    def _cannot_carry(self, envelope: Envelope) -> Rejected | None:
        if envelope.international and not self._client.supports_extension("smtputf8"):
            detail = "The address needs SMTPUTF8, which the server does not offer."
            return Rejected(reason=Reason.ADDRESS_INVALID, detail=detail)
        limit = self._client.esmtp_extensions.get("size", "")
        if limit.isdecimal() and 0 < int(limit) < len(envelope.message):
            return Rejected(reason=Reason.TOO_LARGE, detail="The mail is larger than the server takes.")
        return None

    async def _address(self, envelope: Envelope) -> Answer | None:
        options = (b"SMTPUTF8", b"BODY=8BITMIME") if envelope.international else ()
        reply = await self._command(b"MAIL", b"FROM:<%b>" % envelope.sender, *options)
        if reply.code // 100 != 2:
            return refused(self.step, read(reply.code, reply.message))
        self.step = Step.RCPT
        reply = await self._command(b"RCPT", b"TO:<%b>" % envelope.recipient)
        if reply.code // 100 != 2:
            return refused(self.step, read(reply.code, reply.message))
        self.step = Step.DATA
        reply = await self._command(b"DATA")
        if reply.code != 354:
            return refused(self.step, read(reply.code, reply.message))
        return None

    async def _hand_in(self, message: bytes) -> Answer:
        protocol = self._client.protocol
        if protocol is None:
            return lost(self.step)
        # A mail begins with a header, so only a dot after a line end can stand at the start of a line (RFC 5321 4.5.2).
        stuffed = message.replace(b"\r\n.", b"\r\n..") + b".\r\n"
        self.step = Step.MESSAGE
        protocol.write(stuffed)
        number, text = await protocol.read_response()
        reply = read(number, text)
        return accepted(reply) if number // 100 == 2 else refused(self.step, reply)

    async def _command(self, *words: bytes) -> SMTPResponse:
        # Without a timeout of its own: the caller's covers the whole call, and a timer a command costs more than the rest.
        return await self._client.execute_command(*words, timeout=None)

    async def _reset(self) -> bool:
        """Forget a refused mail, so that the connection can take the next."""
        try:
            return (await self._command(b"RSET")).code == 250
        except (SMTPException, OSError):
            return False

    def _not_open(self, error: Exception) -> NotSent:
        if isinstance(error, SMTPAuthenticationError) or self.step is Step.AUTH:
            if isinstance(error, SMTPServerDisconnected | OSError):
                return NotSent(reason=Reason.UNREACHABLE, detail="The server was lost at the login.")
            detail = "The server offers no login that we know."
            return NotSent(reason=Reason.CREDENTIALS_REFUSED, detail=detail)
        if isinstance(error, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLError):
            return NotSent(reason=Reason.UNREACHABLE, detail="TLS with the server failed.")
        if not isinstance(error, OSError):  # aiosmtplib's own: STARTTLS wanted and not offered
            return NotSent(reason=Reason.UNREACHABLE, detail="The server does not offer STARTTLS.")
        return NotSent(reason=Reason.UNREACHABLE, detail="The server could not be reached.")
