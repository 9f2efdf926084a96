"""What an operator says about dispatch-email."""

from collections.abc import Mapping
from typing import Any

from pydantic_settings import SettingsConfigDict

from tocsin.channel import DispatcherSettings, ProviderKind
from tocsin.dispatch_email.mailgun import MAILGUN
from tocsin.dispatch_email.postmark import POSTMARK
from tocsin.dispatch_email.sendgrid import SENDGRID
from tocsin.dispatch_email.ses import SES
from tocsin.dispatch_email.smtp import SMTP

KINDS: Mapping[str, ProviderKind[Any]] = {
    "smtp": SMTP,
    "ses": SES,
    "sendgrid": SENDGRID,
    "mailgun": MAILGUN,
    "postmark": POSTMARK,
}
"""The adapters of this dispatcher, by the `kind` that a provider instance names."""


class EmailSettings(DispatcherSettings):
    """Those of every dispatcher, as `DISPATCH_EMAIL_…`."""

    kinds = KINDS
    model_config = SettingsConfigDict(env_prefix="DISPATCH_EMAIL_", populate_by_name=True, frozen=True)
