"""Provider kind `smtp`: any mail server, on kept connections.

A kept connection that the server has closed meanwhile is noticed at its first command; the mail then goes over a new
one. As many connections as calls at once, which is at most `max_in_flight`; the least recently used ones end by themselves.
"""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator, model_validator

from tocsin.channel import Answer, Idempotency, ProviderKind, Rejected, SecretFile, SenderConfig
from tocsin.channel.answers import reason_of
from tocsin.channel.preparation import File, FilesOf, no_files
from tocsin.channel.ref import SealRef, no_ref
from tocsin.contracts.jobs import EmailContent, Job, SenderIdentity
from tocsin.contracts.limits import ACTIONS_PER_MESSAGE, ATTACHMENTS_BYTES, ATTACHMENTS_PER_MESSAGE
from tocsin.contracts.values import ValueRefused
from tocsin.contracts.vocabulary import Channel
from tocsin.dispatch_email.composing import Links, as_it_is, composed, composed_with_files
from tocsin.dispatch_email.dkim_settings import DkimConfig, DkimKeys
from tocsin.dispatch_email.mailboxes import MailAddress, mailbox
from tocsin.dispatch_email.mime import mail
from tocsin.dispatch_email.smtp_connection import Server, Tls, connect
from tocsin.dispatch_email.smtp_replies import Step
from tocsin.dispatch_email.smtp_session import Envelope, SmtpSession
from tocsin.observability import client_span, metrics
from tocsin.observability.tracing import Attributes
from tocsin.runtime import Clock

if TYPE_CHECKING:
    from tocsin.dispatch_email.dkim_signer import DkimSigner

_VERP_ROOM = 64 - len("+") - 32
"""Of the 64 characters that a local part may have, without a delivery's id."""
_PORTS: dict[Tls, int] = {"starttls": 587, "implicit": 465, "none": 25}


class SmtpConfig(SenderConfig):
    """`[[providers]]` with `kind = "smtp"`."""

    kind: Literal["smtp"]
    host: str = Field(min_length=1)
    port: int | None = Field(default=None, ge=1, le=65535)
    tls: Tls = "starttls"
    """`starttls` (587), `implicit` (465) or `none` (25); never less than what is asked for."""
    ca_file: Path | None = None
    """Certificates to trust instead of the system's; read when the instance is made."""
    username: str | None = None
    password_file: SecretFile | None = None
    helo: str = Field(default_factory=lambda: socket.gethostname() or "localhost", pattern=r"^[!-~]+$")
    """What we call ourselves; servers on the Internet want a name that resolves to us."""
    envelope_sender: str | None = None
    """Where bounces go; the sender's own address by default."""
    verp: bool = False
    """Bounces of each mail go to an address of its own, `bounces+<delivery id>@…`, made of `envelope_sender`."""
    dkim: DkimKeys = ()
    """The keys that mails are signed with, where the server does not sign them."""
    max_in_flight: int = Field(default=20, ge=1, le=1000)
    mails_per_connection: int = Field(default=1000, ge=1)
    connection_age: float = Field(default=300.0, gt=0)
    """Seconds."""
    connection_idle: float = Field(default=30.0, gt=0)
    """Seconds after which an unused connection is not used again."""

    @property
    def certificate(self) -> Path | None:
        return self.ca_file

    @field_validator("envelope_sender")
    @classmethod
    def _canonical(cls, value: str | None) -> str | None:
        if value is None:
            return None
        # Only here: a dispatcher without this setting need not load what judges addresses.
        from tocsin.contracts.values.mail_address import mail_address  # noqa: PLC0415

        try:
            return mail_address(value)
        except ValueRefused as refusal:
            raise ValueError(f"`envelope_sender`: {refusal.detail}") from refusal

    @model_validator(mode="after")
    def _fits(self) -> "SmtpConfig":
        if self.verp and (
            self.envelope_sender is None or len(self.envelope_sender.rpartition("@")[0]) > _VERP_ROOM
        ):
            raise ValueError(
                f"`verp` needs an `envelope_sender` with at most {_VERP_ROOM} characters before the @"
            )
        if (self.username is None) != (self.password_file is None):
            raise ValueError("`username` and `password_file` belong together")
        if (
            self.username is not None
            and self.tls == "none"
            and self.host not in {"localhost", "127.0.0.1", "::1"}
        ):
            raise ValueError('`tls = "none"` would send the password in the clear')
        if self.ca_file is not None:
            try:
                ssl.create_default_context(cafile=self.ca_file)
            except OSError as error:
                raise ValueError(
                    f"`ca_file` {self.ca_file} holds no certificates that can be read"
                ) from error
        return self


class SmtpProvider:
    """One account at one mail server. Mail has no idempotency: a second send arrives twice, with the same Message-ID."""

    def __init__(self, config: SmtpConfig, clock: Clock) -> None:
        self.name = config.name
        self.seal_ref: SealRef = no_ref
        self.links: Links = as_it_is
        self.files_of: FilesOf = no_files
        self._config = config
        self._clock = clock
        self._server: Server | None = None
        self._signer: DkimSigner | None = None
        self._idle: list[SmtpSession] = []
        self._open_connections = metrics.provider_connections.labels(Channel.EMAIL, config.name)
        self._called: Attributes = {
            "network.protocol.name": "smtp",
            "server.address": config.host,
            "server.port": config.port or _PORTS[config.tls],
        }
        """What spans say of a call."""

    async def open(self) -> None:
        """Prepare TLS and keys; connections come with the first mails."""
        self._server = await asyncio.to_thread(_server, self._config)
        if self._config.dkim:
            self._signer = await asyncio.to_thread(_signer, self._config.dkim)

    async def send(self, job: Job) -> Answer:
        """Hand the mail over within `call_timeout` seconds."""
        if job.intent.private.attachments:
            envelope = await composed_with_files(job, self._envelope, self.files_of, links=self.links)
        else:
            envelope = composed(job, self._envelope, links=self.links)
        if not isinstance(envelope, Envelope):
            return envelope
        with client_span("SMTP", self._called) as call:
            answer = await self._hand_over(envelope)
            if call.opened is not None and (reason := reason_of(answer)) is not None:
                call.opened.fail(reason.value)
        return answer

    async def _hand_over(self, envelope: Envelope) -> Answer:
        until = asyncio.get_running_loop().time() + self._config.call_timeout
        while (kept := self._kept()) is not None:
            answer = await self._over(kept, envelope, until=until)
            # Once it is late the other connections would be tried, and closed, in vain.
            late = asyncio.get_running_loop().time() >= until
            if late or not _closed_meanwhile(kept, answer):
                return answer
        fresh = await self._connected(until=until)
        return await self._over(fresh, envelope, until=until) if isinstance(fresh, SmtpSession) else fresh

    async def close(self) -> None:
        """Take leave of the server on every kept connection."""
        idle, self._idle = self._idle, []
        try:
            await asyncio.gather(*(session.quit() for session in idle))
        finally:
            self._open_connections.dec(len(idle))

    def _envelope(
        self,
        job: Job,
        content: EmailContent,
        sender: SenderIdentity,
        recipient: MailAddress,
        files: Sequence[File] = (),
    ) -> Envelope:
        source = self._return_address(job, sender)
        now = self._clock.time_ms() / 1000
        message = mail(
            content=content,
            sender=sender,
            to=recipient,
            delivery_id=job.delivery_id,
            notification_id=job.notification_id,
            unsubscribe_url=job.private.unsubscribe_url,
            ref=self.seal_ref(job),
            files=files,
            now=now,
        )
        if self._signer is not None:
            message = self._signer.signed(message, domain=_source(sender.address).domain, now=int(now))
        return Envelope(
            sender=source.wire,
            recipient=recipient.wire,
            international=not message.isascii() or source.international or recipient.international,
            message=message,
        )

    def _return_address(self, job: Job, sender: SenderIdentity) -> MailAddress:
        address = self._config.envelope_sender or sender.address
        if not self._config.verp:
            return _source(address)
        local, _, domain = address.rpartition("@")
        return mailbox(f"{local}+{job.delivery_id.replace('-', '')}@{domain}")

    async def _over(self, session: SmtpSession, envelope: Envelope, *, until: float) -> Answer:
        """One mail over this session, which afterwards is kept or closed, however this ends."""
        try:
            return await session.hand_over(envelope, until=until)
        finally:
            if session.reusable and session.mails < self._config.mails_per_connection:
                session.used_at = self._clock.monotonic()
                self._idle.append(session)
            else:
                self._close(session)

    async def _connected(self, *, until: float) -> SmtpSession | Answer:
        if self._server is None:
            raise RuntimeError("the provider was not opened")
        by = min(until, asyncio.get_running_loop().time() + self._config.connecting)
        self._open_connections.inc()
        session: SmtpSession | Answer | None = None
        try:
            session = await connect(self._server, until=by, now=self._clock.monotonic())
        finally:
            if not isinstance(session, SmtpSession):
                self._open_connections.dec()
        return session

    def _kept(self) -> SmtpSession | None:
        """The session used last, so that those not needed grow old; those too old are closed on the way."""
        now = self._clock.monotonic()
        while self._idle:
            session = self._idle.pop()
            if (
                session.quiet
                and now - session.used_at < self._config.connection_idle
                and now - session.opened_at < self._config.connection_age
            ):
                return session
            self._close(session)
        return None

    def _close(self, session: SmtpSession) -> None:
        session.close()
        self._open_connections.dec()


_source = lru_cache(maxsize=1024)(mailbox)
"""Senders are few."""


def _closed_meanwhile(session: SmtpSession, answer: Answer) -> bool:
    """The server had closed a kept connection before this mail: it said 421, or nothing, to the first command."""
    if session.step is not Step.MAIL or session.reusable:
        return False
    return not isinstance(answer, Rejected) and (answer.code is None or answer.code.startswith("421"))


def _server(config: SmtpConfig) -> Server:
    context = None if config.tls == "none" else ssl.create_default_context(cafile=config.ca_file)
    return Server(
        host=config.host,
        port=config.port or _PORTS[config.tls],
        tls=config.tls,
        tls_context=context,
        username=config.username,
        password=config.password_file.get_secret_value() if config.password_file else "",
        helo=config.helo,
    )


def _signer(keys: tuple[DkimConfig, ...]) -> "DkimSigner":
    # Only here: an instance that does not sign loads no cryptography.
    from tocsin.dispatch_email.dkim_signer import DkimSigner  # noqa: PLC0415

    return DkimSigner(keys)


SMTP = ProviderKind(
    config=SmtpConfig,
    create=SmtpProvider,
    idempotency=Idempotency.NONE,
    title="any mail server",
    limit="what the server says",
    actions=f"{ACTIONS_PER_MESSAGE} buttons",
    attachments=f"{ATTACHMENTS_PER_MESSAGE} files, {ATTACHMENTS_BYTES // 1024**2} MiB together",
)
