"""How an SMTP session comes about: connect, encrypt, log in, all by aiosmtplib, whose transport the session then takes over."""

import asyncio
import ssl
from dataclasses import dataclass
from typing import Literal, cast

from aiosmtplib import SMTP, SMTPException, SMTPHeloError, SMTPResponseException, SMTPServerDisconnected

from tocsin.channel import Answer, NotSent
from tocsin.contracts.vocabulary import Reason
from tocsin.dispatch_email.smtp_replies import Step, lost, read, refused
from tocsin.dispatch_email.smtp_session import SmtpSession

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


async def connect(server: Server, *, until: float, now: float) -> SmtpSession | Answer:
    """A session that can take a mail, by `until` (the event loop's time); or why there is none. `now` is when it is said to be opened."""
    opening = _Opening(server)
    try:
        async with asyncio.timeout_at(until):
            failure = await opening.run()
    except TimeoutError:
        failure = lost(opening.step)
    except BaseException:
        opening.client.close()
        raise
    if failure is None and opening.client.transport is not None:
        return SmtpSession(
            cast("asyncio.Transport", opening.client.transport),
            extensions=opening.client.esmtp_extensions,
            opened_at=now,
        )
    opening.client.close()
    return failure or lost(opening.step)


class _Opening:
    """A connection on its way, and where it stands."""

    def __init__(self, server: Server) -> None:
        self.step = Step.CONNECT
        self._server = server
        self.client = SMTP(
            hostname=server.host,
            port=server.port,
            local_hostname=server.helo,
            timeout=None,
            use_tls=server.tls == "implicit",
            start_tls=server.tls == "starttls",
            tls_context=server.tls_context,
        )

    async def run(self) -> Answer | None:
        """Connect, encrypt, log in: None, or why not."""
        try:
            await self.client.connect()
            if self._server.username is not None:
                self.step = Step.AUTH
                await self.client.login(self._server.username, self._server.password)
            elif self.client.is_ehlo_or_helo_needed:
                await self._introduce()
        except SMTPResponseException as error:
            return refused(self.step, read(max(error.code, 0), error.message))
        except (SMTPException, OSError) as error:
            return self._not_open(error)
        return None

    async def _introduce(self) -> None:
        try:
            await self.client.ehlo()
        except SMTPHeloError:
            if not self.client.is_connected:
                raise
            await self.client.helo()

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
