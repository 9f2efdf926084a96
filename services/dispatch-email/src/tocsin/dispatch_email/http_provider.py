"""What the kinds `ses`, `sendgrid`, `mailgun` and `postmark` have in common: a mail is one request, and what became of it is read from the response."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from tocsin.channel import Answer, Rejected, SenderConfig
from tocsin.channel.preparation import File, FilesOf, no_files
from tocsin.contracts.jobs import EmailContent, Job, SenderIdentity
from tocsin.dispatch_email.composing import composed, composed_with_files
from tocsin.dispatch_email.mailboxes import MailAddress
from tocsin.runtime import Clock

if TYPE_CHECKING:
    from tocsin.dispatch_email.http_calls import HttpCalls


class MailRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A POST that hands one mail over. Printing it tells no secret, and nothing of the mail."""

    url: str
    headers: dict[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"MailRequest(url={self.url!r}, {len(self.body)} bytes)"


class MailResponse(msgspec.Struct, frozen=True, kw_only=True):
    """What came back. Printing it tells nothing of its text, which may repeat addresses."""

    status: int
    headers: Mapping[str, str]
    """By their names in any case."""
    body: bytes
    retry_after: float | None
    """Seconds, as `Retry-After` says."""

    def __repr__(self) -> str:
        return f"MailResponse(status={self.status}, {len(self.body)} bytes)"


class HttpMailProvider(ABC):
    """One account. Without idempotency keys: a second send arrives twice."""

    def __init__(self, config: SenderConfig, clock: Clock) -> None:
        self.name = config.name
        self._instance = config
        self._clock = clock
        self._calls: HttpCalls | None = None
        self.files_of: FilesOf = no_files

    @abstractmethod
    def request(
        self,
        job: Job,
        content: EmailContent,
        sender: SenderIdentity,
        to: MailAddress,
        files: Sequence[File] = (),
    ) -> MailRequest | Rejected:
        """The request for one mail, or why the provider would refuse it for certain. May raise NoMail and NoMailbox."""

    @abstractmethod
    def answer(self, response: MailResponse) -> Answer:
        """What the response means."""

    async def open(self) -> None:
        """Make the client; connections come with the first mails."""
        self._calls = await asyncio.to_thread(_calls, self._instance, self._clock)

    async def send(self, job: Job) -> Answer:
        """Hand one mail over, unless the provider would refuse it for certain."""
        if job.intent.private.attachments:
            request = await composed_with_files(job, self.request, self.files_of)
        else:
            request = composed(job, self.request)
        if isinstance(request, Rejected):
            return request
        if self._calls is None:
            raise RuntimeError("the provider was not opened")
        response = await self._calls.post(request)
        return self.answer(response) if isinstance(response, MailResponse) else response

    async def close(self) -> None:
        """Close every connection."""
        if self._calls is not None:
            await self._calls.close()


def _calls(config: SenderConfig, clock: Clock) -> "HttpCalls":
    # Only here, and in a thread: a dispatcher without such an instance loads no HTTP client, one that gets it goes on meanwhile.
    from tocsin.dispatch_email.http_calls import HttpCalls  # noqa: PLC0415

    return HttpCalls(
        timeout=config.call_timeout,
        connect_timeout=config.connecting,
        connections=config.max_in_flight,
        clock=clock,
    )
