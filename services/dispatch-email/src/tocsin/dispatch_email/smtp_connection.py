"""One kept SMTP connection: connect, log in, hand over mails one after another.

aiosmtplib connects, encrypts and logs in. Mails then go over the same transport in `SmtpWire`, which writes MAIL, RCPT
and DATA at once where the server allows it: three quarters of a mail's cost are its writes.
"""

import asyncio
import ssl
from dataclasses import dataclass
from typing import Literal, cast

from aiosmtplib import SMTP, SMTPException, SMTPHeloError, SMTPResponseException, SMTPServerDisconnected

from tocsin.channel import Accepted, Answer, NotSent, Rejected
from tocsin.contracts.vocabulary import Reason
from tocsin.dispatch_email.smtp_replies import Reply, Step, accepted, lost, read, refused
from tocsin.dispatch_email.smtp_wire import SmtpWire, WireLost

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
        self._wire: SmtpWire | None = None
        self._extensions: dict[str, str] = {}
        self.opened_at = opened_at
        self.used_at = opened_at
        self.mails = 0
        self.step = Step.CONNECT
        self.reusable = False
        self._in_step = True
        """Whether it is certain which reply belongs to which command."""

    @property
    def quiet(self) -> bool:
        """Open, and the server has not said anything since the last mail, such as that it will close."""
        return self._wire is not None and self._wire.quiet

    async def open(self) -> Answer | None:
        """Connect, encrypt, log in: None, or why not."""
        client = self._client
        try:
            await client.connect()
            if self._server.username is not None:
                self.step = Step.AUTH
                await client.login(self._server.username, self._server.password)
            elif client.is_ehlo_or_helo_needed:
                await self._introduce()
        except SMTPResponseException as error:
            return refused(self.step, read(max(error.code, 0), error.message))
        except (SMTPException, OSError) as error:
            return self._not_open(error)
        if client.transport is None:
            return lost(self.step)
        self._extensions = dict(client.esmtp_extensions)
        self._wire = SmtpWire(cast("asyncio.Transport", client.transport))
        return None

    async def hand_over(self, envelope: Envelope) -> Answer:
        """Hand one mail over, on an open connection."""
        if self._wire is None:
            raise RuntimeError("the connection is not open")
        self.reusable = False
        self.step = Step.MAIL
        if instead := self._cannot_carry(envelope):
            self.reusable = self._wire.quiet
            return instead
        try:
            refusal = await self._announce(self._wire, envelope) or await self._hand_in(
                self._wire, envelope.message
            )
        except WireLost:
            return lost(self.step)
        self.mails += 1
        if not self._in_step or (refusal.code or "").startswith("421"):
            return refusal
        self.reusable = isinstance(refusal, Accepted) or await self._reset(self._wire)
        return refusal

    def close(self) -> None:
        """Drop the connection at once."""
        self.reusable = False
        if self._wire is not None:
            self._wire.close()
        else:
            self._client.close()

    async def quit(self) -> None:
        """Take leave as SMTP wants it, then close."""
        if self._wire is not None:
            try:
                self._wire.write(b"QUIT\r\n")
                await asyncio.wait_for(self._wire.reply(), 1.0)
            except (WireLost, TimeoutError):
                pass  # it left first, or does not care
        self.close()

    async def _introduce(self) -> None:
        try:
            await self._client.ehlo()
        except SMTPHeloError:
            if not self._client.is_connected:
                raise
            await self._client.helo()

    def _cannot_carry(self, envelope: Envelope) -> Rejected | None:
        if envelope.international and "smtputf8" not in self._extensions:
            detail = "The address needs SMTPUTF8, which the server does not offer."
            return Rejected(reason=Reason.ADDRESS_INVALID, detail=detail)
        limit = self._extensions.get("size", "")
        if limit.isdecimal() and 0 < int(limit) < len(envelope.message):
            return Rejected(reason=Reason.TOO_LARGE, detail="The mail is larger than the server takes.")
        return None

    async def _announce(self, wire: SmtpWire, envelope: Envelope) -> Answer | None:
        """MAIL, RCPT, DATA: None when the server waits for the message, else the first refusal."""
        options = b" SMTPUTF8 BODY=8BITMIME" if envelope.international else b""
        commands = {
            Step.MAIL: b"MAIL FROM:<%b>%b\r\n" % (envelope.sender, options),
            Step.RCPT: b"RCPT TO:<%b>\r\n" % envelope.recipient,
            Step.DATA: b"DATA\r\n",
        }
        if "pipelining" in self._extensions:
            wire.write(b"".join(commands.values()))
            return await self._replies_at_once(wire, list(commands))
        for step, command in commands.items():
            self.step = step
            wire.write(command)
            reply = await self._reply(wire)
            if not _welcome(step, reply):
                return refused(step, reply)
        return None

    async def _replies_at_once(self, wire: SmtpWire, steps: list[Step]) -> Answer | None:
        """All replies are read, so that none is taken for one to the next mail."""
        refusal: Answer | None = None
        for step in steps:
            if refusal is None:
                self.step = step
            try:
                reply = await self._reply(wire)
            except WireLost:
                if refusal is None:
                    raise
                return refusal
            if refusal is None and not _welcome(step, reply):
                refusal = refused(step, reply)
            if refusal is not None and reply.number == 354:
                # It wants a message without a recipient (RFC 2920 3.1). The dot that ends it could, with a server that
                # means something else, send an empty mail; closing cannot.
                self._in_step = False
        return refusal

    async def _hand_in(self, wire: SmtpWire, message: bytes) -> Answer:
        # A mail begins with a header, so only a dot after a line end can stand at the start of a line (RFC 5321 4.5.2).
        stuffed = message.replace(b"\r\n.", b"\r\n..") + b".\r\n"
        self.step = Step.MESSAGE
        wire.write(stuffed)
        reply = await self._reply(wire)
        return accepted(reply) if reply.number // 100 == 2 else refused(self.step, reply)

    async def _reply(self, wire: SmtpWire) -> Reply:
        reply = await wire.reply()
        if not reply.number:
            self._in_step = False
        return reply

    async def _reset(self, wire: SmtpWire) -> bool:
        """Forget a refused mail, so that the connection can take the next."""
        try:
            wire.write(b"RSET\r\n")
            return (await wire.reply()).number == 250
        except WireLost:
            return False

    def _not_open(self, error: Exception) -> NotSent:
        if self.step is Step.AUTH:
            if isinstance(error, SMTPServerDisconnected | OSError):
                return NotSent(reason=Reason.UNREACHABLE, detail="The server was lost at the login.")
            detail = "The server offers no login that we know."
            return NotSent(reason=Reason.CREDENTIALS_REFUSED, detail=detail)
        if isinstance(error, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLError):
            return NotSent(reason=Reason.UNREACHABLE, detail="TLS with the server failed.")
        if not isinstance(error, OSError):  # aiosmtplib's own: STARTTLS wanted and not offered
            return NotSent(reason=Reason.UNREACHABLE, detail="The server does not offer STARTTLS.")
        return NotSent(reason=Reason.UNREACHABLE, detail="The server could not be reached.")


def _welcome(step: Step, reply: Reply) -> bool:
    return reply.number == 354 if step is Step.DATA else reply.number // 100 == 2
