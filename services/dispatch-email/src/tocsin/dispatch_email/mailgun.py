"""Provider kind `mailgun`: a mail as MIME
(https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/messages/post-v3--domain-name--messages-mime).

The mail goes as it does by SMTP. Tracking is off in every mail, whatever the domain's settings are: it would change links, also the one that
unsubscribes, and tell Mailgun who reads what.
"""

from base64 import b64encode
from collections.abc import Sequence
from secrets import token_hex
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from tocsin.channel import Answer, Idempotency, ProviderKind, Rejected, SecretFile, SenderConfig, one_word
from tocsin.channel.preparation import File
from tocsin.channel.ref import SealRef, no_ref
from tocsin.contracts.jobs import EmailContent, Job, SenderIdentity
from tocsin.contracts.limits import ACTIONS_PER_MESSAGE, ATTACHMENTS_BYTES, ATTACHMENTS_PER_MESSAGE
from tocsin.dispatch_email.ascii_mail import ascii_mail
from tocsin.dispatch_email.http_provider import HttpMailProvider, MailRequest, MailResponse
from tocsin.dispatch_email.mailboxes import MailAddress
from tocsin.dispatch_email.mailgun_answers import answer_of
from tocsin.runtime import Clock

LARGEST: Final = 25_000_000
"""Bytes of a mail: https://documentation.mailgun.com/docs/mailgun/user-manual/sending-messages/send-http says 25 MB."""
_REGIONS: Final = {"us": "https://api.mailgun.net", "eu": "https://api.eu.mailgun.net"}
REF: Final = "tocsin"
"""The variable that holds the ref. Mailgun keeps it with the message's events, and shows it in the header `X-Mailgun-Variables`: it is sealed."""
_UNTRACKED: Final = {"o:tracking": "no", "o:tracking-clicks": "no", "o:tracking-opens": "no"}


class MailgunConfig(SenderConfig):
    """`[[providers]]` with `kind = "mailgun"`."""

    kind: Literal["mailgun"]
    domain: str = Field(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$")
    """The sending domain in Mailgun."""
    api_key_file: Annotated[SecretFile, AfterValidator(one_word)]
    """A key of the account, or the domain's own sending key."""
    region: Literal["us", "eu"] = "us"
    """Where the domain is kept."""
    base_url: str | None = Field(default=None, pattern=r"^https?://\S*[^\s/]$")
    """The endpoint; by `region` where it is not given."""


class MailgunProvider(HttpMailProvider):
    """One sending domain. Mailgun knows no idempotency key: a second send arrives twice, with the same Message-ID."""

    def __init__(self, config: MailgunConfig, clock: Clock) -> None:
        super().__init__(config, clock)
        self.seal_ref: SealRef = no_ref
        self._url = f"{config.base_url or _REGIONS[config.region]}/v3/{config.domain}/messages.mime"
        login = b64encode(f"api:{config.api_key_file.get_secret_value()}".encode()).decode()
        self._headers = {"Authorization": f"Basic {login}", "Accept": "application/json"}

    def request(
        self,
        job: Job,
        content: EmailContent,
        sender: SenderIdentity,
        to: MailAddress,
        files: Sequence[File] = (),
    ) -> MailRequest | Rejected:
        """A form with the recipient, the options and the mail as a file."""
        mail = ascii_mail(
            job, content, sender, to, clock=self._clock, provider="Mailgun", largest=LARGEST, files=files
        )
        if isinstance(mail, Rejected):
            return mail
        fields = {"to": to.wire.decode(), **_UNTRACKED}
        if (ref := self.seal_ref(job)) is not None:
            fields[f"v:{REF}"] = ref
        boundary = token_hex(16)
        return MailRequest(
            url=self._url,
            headers=self._headers | {"Content-Type": f"multipart/form-data; boundary={boundary}"},
            body=_form(fields, mail, boundary),
        )

    def answer(self, response: MailResponse) -> Answer:
        """What the response means."""
        return answer_of(response, now=self._clock.now())


def _form(fields: dict[str, str], mail: bytes, boundary: str) -> bytes:
    """RFC 7578. Nobody who writes a template knows the boundary, so no mail can hold it."""
    begin = f'--{boundary}\r\nContent-Disposition: form-data; name="'
    head = "".join(f'{begin}{name}"\r\n\r\n{value}\r\n' for name, value in fields.items())
    file = f'{begin}message"; filename="mail.eml"\r\nContent-Type: application/octet-stream\r\n\r\n'
    return f"{head}{file}".encode() + mail + f"\r\n--{boundary}--\r\n".encode()


MAILGUN = ProviderKind(
    config=MailgunConfig,
    create=MailgunProvider,
    idempotency=Idempotency.NONE,
    title="Mailgun",
    limit=f"{LARGEST // 1_000_000} MB a mail",
    actions=f"{ACTIONS_PER_MESSAGE} buttons",
    attachments=f"{ATTACHMENTS_PER_MESSAGE} files, {ATTACHMENTS_BYTES // 1024**2} MiB together",
)
