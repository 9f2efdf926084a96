"""Provider kind `ses`: SendEmail of the Amazon SES API v2 (https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html).

The mail goes as it does by SMTP: `Content.Raw.Data` holds our own bytes. SES puts a Message-ID of its own into it.
"""

import re
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, SecretStr, model_validator

from tocsin.channel import Answer, Idempotency, ProviderKind, Rejected, SecretFile, SenderConfig
from tocsin.channel.aws_signature import AwsCredentials, signed_headers
from tocsin.contracts.codec import encode
from tocsin.contracts.jobs import EmailContent, Job, SenderIdentity
from tocsin.dispatch_email.ascii_mail import ascii_mail
from tocsin.dispatch_email.http_provider import HttpMailProvider, MailRequest, MailResponse, one_word
from tocsin.dispatch_email.mailboxes import MailAddress
from tocsin.dispatch_email.ses_answers import answer_of
from tocsin.runtime import Clock

LARGEST: Final = 30_000_000
"""Bytes of a mail: the quotas say 40 MB in base64 (https://docs.aws.amazon.com/ses/latest/dg/quotas.html)."""
_KEY_ID: Final = r"^[A-Z0-9]{16,128}$"
_HEADERS: Final = {"Content-Type": "application/json"}


def _is_key_id(text: SecretStr) -> SecretStr:
    if not re.match(_KEY_ID, text.get_secret_value()):
        raise ValueError(
            "the file must hold the id of an access key: capitals and digits, as in AKIAIOSFODNN7EXAMPLE"
        )
    return text


class SesConfig(SenderConfig):
    """`[[providers]]` with `kind = "ses"`."""

    kind: Literal["ses"]
    region: str = Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d{1,2}$")
    """Where the identities are verified, such as `eu-west-1`."""
    access_key_id: str | None = Field(default=None, pattern=_KEY_ID)
    """Of a user, or a role, that may `ses:SendEmail` and `ses:SendRawEmail`."""
    access_key_id_file: Annotated[SecretFile, AfterValidator(_is_key_id)] | None = None
    """In its place: whoever renews a temporary key writes all three values anew."""
    secret_access_key_file: Annotated[SecretFile, AfterValidator(one_word)]
    session_token_file: Annotated[SecretFile, AfterValidator(one_word)] | None = None
    """Beside a temporary key."""
    configuration_set: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{1,64}$")
    """Which one publishes the events of these mails."""
    base_url: str | None = Field(default=None, pattern=r"^https?://\S*[^\s/]$")
    """The endpoint; by `region` where it is not given."""

    @model_validator(mode="after")
    def _has_one_key(self) -> "SesConfig":
        if (self.access_key_id is None) == (self.access_key_id_file is None):
            raise ValueError("give `access_key_id` or `access_key_id_file`, one of them")
        return self

    @property
    def credentials(self) -> AwsCredentials:
        """The key to sign with."""
        file, token = self.access_key_id_file, self.session_token_file
        return AwsCredentials(
            access_key_id=(self.access_key_id or "") if file is None else file.get_secret_value(),
            secret_access_key=self.secret_access_key_file.get_secret_value(),
            session_token=None if token is None else token.get_secret_value(),
        )


class SesProvider(HttpMailProvider):
    """One SES account in one region. SendEmail knows no idempotency key: a second send arrives twice."""

    def __init__(self, config: SesConfig, clock: Clock) -> None:
        super().__init__(config, clock)
        base = config.base_url or f"https://email.{config.region}.amazonaws.com"
        self._url = f"{base}/v2/email/outbound-emails"
        self._region = config.region
        self._configuration_set = config.configuration_set
        self._credentials = config.credentials

    def request(
        self, job: Job, content: EmailContent, sender: SenderIdentity, to: MailAddress
    ) -> MailRequest | Rejected:
        """A signed SendEmail."""
        mail = ascii_mail(job, content, sender, to, clock=self._clock, provider="SES", largest=LARGEST)
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


SES = ProviderKind(config=SesConfig, create=SesProvider, idempotency=Idempotency.NONE)
