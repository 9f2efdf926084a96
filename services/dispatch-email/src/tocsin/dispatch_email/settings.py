"""What an operator says about dispatch-email."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from tocsin.channel import DispatcherSettings, ProviderKind
from tocsin.dispatch_email.mailgun import MAILGUN
from tocsin.dispatch_email.postmark import POSTMARK
from tocsin.dispatch_email.sendgrid import SENDGRID
from tocsin.dispatch_email.ses import SES
from tocsin.dispatch_email.smtp import SMTP
from tocsin.runtime import About
from tocsin.runtime.outgoing import OutgoingSettings

KINDS: Mapping[str, ProviderKind[Any]] = {
    "smtp": SMTP,
    "ses": SES,
    "sendgrid": SENDGRID,
    "mailgun": MAILGUN,
    "postmark": POSTMARK,
}
"""The adapters of this dispatcher, by the `kind` that a provider instance names."""


class EmailSettings(DispatcherSettings):
    """Those of every dispatcher, as `DISPATCH_EMAIL_…`, and what attachments may take and where their URLs may lead."""

    kinds = KINDS
    model_config = SettingsConfigDict(env_prefix="DISPATCH_EMAIL_", populate_by_name=True, frozen=True)

    outgoing: OutgoingSettings = Field(
        default_factory=OutgoingSettings, description="Where URLs of attachments may lead"
    )
    attachments_bytes: Annotated[
        int,
        About(
            unit="bytes",
            danger="It is memory, and the process may take two and a half times as much: keep that well below the container's limit",
        ),
    ] = Field(
        default=64 * 1024 * 1024,
        ge=16 * 1024 * 1024,
        description="Bytes that attachments may take while they are fetched and held, and as many again while mails are composed of them. "
        "A mail takes 3 and 6 times the size of its files; where there is no room, mails with attachments wait, and others do not",
    )
