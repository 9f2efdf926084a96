"""Provider kind `sendgrid`: the v3 Mail Send API (https://www.twilio.com/docs/sendgrid/api-reference/mail-send)."""

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
from tocsin.dispatch_email.sendgrid_answers import answer_of, pause
from tocsin.dispatch_email.sendgrid_body import LARGEST, mail_send_body
from tocsin.runtime import Clock


class SendGridConfig(SenderConfig):
    """`[[providers]]` with `kind = "sendgrid"`."""

    kind: Literal["sendgrid"]
    api_key_file: Annotated[SecretFile, AfterValidator(one_word)]
    """An API key that may send mail (scope `mail.send`)."""
    base_url: str = Field(default="https://api.sendgrid.com", pattern=r"^https?://\S*[^\s/]$")
    """`https://api.eu.sendgrid.com` for a subuser in the EU."""


class SendGridProvider(HttpMailProvider):
    """One SendGrid account. Mail Send knows no idempotency key: a second send arrives twice, with the same Message-ID."""

    def __init__(self, config: SendGridConfig, clock: Clock) -> None:
        super().__init__(config, clock)
        self.seal_ref: SealRef = no_ref
        self._url = f"{config.base_url}/v3/mail/send"
        self._headers = {
            "Authorization": f"Bearer {config.api_key_file.get_secret_value()}",
            "Content-Type": "application/json",
            "Accept": "application/json",  # without it some of the API's endpoints answer 406
        }

    def request(
        self,
        job: Job,
        content: EmailContent,
        sender: SenderIdentity,
        to: MailAddress,
        files: Sequence[File] = (),
    ) -> MailRequest | Rejected:
        """A Mail Send."""
        body = mail_send_body(job, content, sender, to, ref=self.seal_ref(job), files=files)
        return body if isinstance(body, Rejected) else self.mail_send(body)

    def mail_send(self, body: bytes) -> MailRequest:
        """The request of this body."""
        return MailRequest(url=self._url, headers=self._headers, body=body)

    def answer(self, response: MailResponse) -> Answer:
        """What the response means."""
        return answer_of(
            response.status,
            response.body,
            given_id=response.headers.get("x-message-id"),
            retry_after=pause(response, now=self._clock.now()),
        )


SENDGRID = ProviderKind(
    config=SendGridConfig,
    create=SendGridProvider,
    idempotency=Idempotency.NONE,
    title="SendGrid",
    limit=f"under {LARGEST // 1_000_000} MB a mail",
    actions=f"{ACTIONS_PER_MESSAGE} buttons",
    attachments=f"{ATTACHMENTS_PER_MESSAGE} files, {ATTACHMENTS_BYTES // 1024**2} MiB together",
)
