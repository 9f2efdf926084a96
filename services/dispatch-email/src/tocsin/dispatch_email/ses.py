"""Provider kind `ses`: SendEmail of the Amazon SES API v2 (https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html).

The mail goes as it does by SMTP: `Content.Raw.Data` holds our own bytes. SES puts a Message-ID of its own into it.
"""

from collections.abc import Sequence
from typing import Any, Final, Literal

from pydantic import Field

from tocsin.channel import Answer, Idempotency, ProviderKind, Rejected
from tocsin.channel.aws_account import AwsConfig
from tocsin.channel.aws_signature import signed_headers
from tocsin.channel.preparation import File
from tocsin.channel.ref import SealRef, no_ref
from tocsin.contracts.codec import encode
from tocsin.contracts.jobs import EmailContent, Job, SenderIdentity
from tocsin.contracts.limits import ACTIONS_PER_MESSAGE, ATTACHMENTS_BYTES, ATTACHMENTS_PER_MESSAGE
from tocsin.dispatch_email.ascii_mail import ascii_mail
from tocsin.dispatch_email.http_provider import HttpMailProvider, MailRequest, MailResponse
from tocsin.dispatch_email.mailboxes import MailAddress
from tocsin.dispatch_email.ses_answers import answer_of
from tocsin.runtime import Clock

LARGEST: Final = 30_000_000
"""Bytes of a mail: the quotas say 40 MB in base64 (https://docs.aws.amazon.com/ses/latest/dg/quotas.html)."""
_HEADERS: Final = {"Content-Type": "application/json"}


class SesConfig(AwsConfig):
    """`[[providers]]` with `kind = "ses"`. The key may `ses:SendEmail` and `ses:SendRawEmail`; identities are verified in `region`."""

    kind: Literal["ses"]
    configuration_set: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{1,64}$")
    """Which one publishes the events of these mails."""


class SesProvider(HttpMailProvider):
    """One SES account in one region. SendEmail knows no idempotency key: a second send arrives twice."""

    def __init__(self, config: SesConfig, clock: Clock) -> None:
        super().__init__(config, clock)
        self.seal_ref: SealRef = no_ref
        base = config.base_url or f"https://email.{config.region}.amazonaws.com"
        self._url = f"{base}/v2/email/outbound-emails"
        self._region = config.region
        self._configuration_set = config.configuration_set
        self._credentials = config.credentials

    def request(
        self,
        job: Job,
        content: EmailContent,
        sender: SenderIdentity,
        to: MailAddress,
        files: Sequence[File] = (),
    ) -> MailRequest | Rejected:
        """A signed SendEmail."""
        mail = ascii_mail(
            job,
            content,
            sender,
            to,
            clock=self._clock,
            provider="SES",
            largest=LARGEST,
            ref=self.seal_ref(job),
            files=files,
        )
        if isinstance(mail, Rejected):
            return mail
        message: dict[str, Any] = {
            "FromEmailAddress": sender.address,
            "Destination": {"ToAddresses": [to.wire.decode()]},
            "Content": {"Raw": {"Data": mail}},
        }
        if self._configuration_set is not None:
            message["ConfigurationSetName"] = self._configuration_set
        body = encode(message)
        headers = signed_headers(
            self._credentials,
            method="POST",
            url=self._url,
            headers=_HEADERS,
            body=body,
            region=self._region,
            service="ses",
            now=self._clock.now(),
        )
        return MailRequest(url=self._url, headers=headers, body=body)

    def answer(self, response: MailResponse) -> Answer:
        """What the response means."""
        return answer_of(response)


SES = ProviderKind(
    config=SesConfig,
    create=SesProvider,
    idempotency=Idempotency.NONE,
    title="Amazon SES",
    limit=f"{LARGEST // 1_000_000} MB a mail",
    actions=f"{ACTIONS_PER_MESSAGE} buttons",
    attachments=f"{ATTACHMENTS_PER_MESSAGE} files, {ATTACHMENTS_BYTES // 1024**2} MiB together",
)
