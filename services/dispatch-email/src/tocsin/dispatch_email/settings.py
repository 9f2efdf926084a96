"""What an operator says about dispatch-email."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import model_validator
from pydantic_settings import SettingsConfigDict

from tocsin.channel import DispatcherSettings, ProviderKind
from tocsin.dispatch_email.mailgun import MAILGUN
from tocsin.dispatch_email.postmark import POSTMARK
from tocsin.dispatch_email.sendgrid import SENDGRID
from tocsin.dispatch_email.ses import SES
from tocsin.dispatch_email.smtp import SMTP
from tocsin.dispatch_email.tracking_url import LinkSettings

KINDS: Mapping[str, ProviderKind[Any]] = {
    "smtp": SMTP,
    "ses": SES,
    "sendgrid": SENDGRID,
    "mailgun": MAILGUN,
    "postmark": POSTMARK,
}
"""The adapters of this dispatcher, by the `kind` that a provider instance names."""


class EmailSettings(DispatcherSettings, LinkSettings):
    """Those of every dispatcher, as `DISPATCH_EMAIL_…`."""

    kinds = KINDS
    model_config = SettingsConfigDict(env_prefix="DISPATCH_EMAIL_", populate_by_name=True, frozen=True)

    @model_validator(mode="after")
    def _links_can_be_sealed(self) -> Self:
        if self.tracking_url is not None and not self.ref_keys:
            raise ValueError(
                "DISPATCH_EMAIL_TRACKING_URL is set and DISPATCH_REF_KEYS is not: without keys no link can be sealed"
            )
        return self
