"""Provider kind `postmark`: the Email API (https://postmarkapp.com/developer/api/email-api)."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from tocsin.channel import Answer, Idempotency, ProviderKind, Rejected, SecretFile, SenderConfig, one_word
from tocsin.channel.preparation import File
from tocsin.channel.ref import SealRef, no_ref
from tocsin.contracts.jobs import EmailContent, Job, SenderIdentity
from tocsin.contracts.limits import ACTIONS_PER_MESSAGE, ATTACHMENTS_BYTES, ATTACHMENTS_PER_MESSAGE
from tocsin.dispatch_email.http_provider import HttpMailProvider, MailRequest, MailResponse
from tocsin.dispatch_email.mailboxes import MailAddress
from tocsin.dispatch_email.postmark_answers import answer_of
from tocsin.dispatch_email.postmark_body import LARGEST, LARGEST_PART, email_body
from tocsin.runtime import Clock

StreamId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
"""https://postmarkapp.com/developer/api/message-streams-api"""


class PostmarkConfig(SenderConfig):
    """`[[providers]]` with `kind = "postmark"`."""

    kind: Literal["postmark"]
    server_token_file: Annotated[SecretFile, AfterValidator(one_word)]
    """A token of the server (not of the account)."""
    message_stream: StreamId = "outbound"
    message_streams: dict[str, StreamId] = Field(default_factory=dict)
    """Category → stream, where it is another."""
    base_url: str = Field(default="https://api.postmarkapp.com", pattern=r"^https?://\S*[^\s/]$")


class PostmarkProvider(HttpMailProvider):
    """One Postmark server. Postmark knows no idempotency key: a second send arrives twice, with the same Message-ID."""

    def __init__(self, config: PostmarkConfig, clock: Clock) -> None:
        super().__init__(config, clock)
        self.seal_ref: SealRef = no_ref
        self._config = config
        self._url = f"{config.base_url}/email"
        self._headers = {
            "X-Postmark-Server-Token": config.server_token_file.get_secret_value(),
            "Content-Type": "application/json",
            "Accept": "application/json",
        }

    def request(
        self,
        job: Job,
        content: EmailContent,
        sender: SenderIdentity,
        to: MailAddress,
        files: Sequence[File] = (),
    ) -> MailRequest | Rejected:
        """A mail for the stream of its category."""
        stream = self._config.message_streams.get(job.category, self._config.message_stream)
        body = email_body(job, content, sender, to, stream=stream, ref=self.seal_ref(job), files=files)
        if isinstance(body, Rejected):
            return body
        return MailRequest(url=self._url, headers=self._headers, body=body)

    def answer(self, response: MailResponse) -> Answer:
        """What the response means."""
        return answer_of(response)


POSTMARK = ProviderKind(
    config=PostmarkConfig,
    create=PostmarkProvider,
    idempotency=Idempotency.NONE,
    title="Postmark",
    limit=f"{LARGEST // 1_000_000} MB a mail, {LARGEST_PART // 1_000_000} MB its text or HTML",
    actions=f"{ACTIONS_PER_MESSAGE} buttons",
    attachments=f"{ATTACHMENTS_PER_MESSAGE} files, {ATTACHMENTS_BYTES // 1024**2} MiB together",
)
