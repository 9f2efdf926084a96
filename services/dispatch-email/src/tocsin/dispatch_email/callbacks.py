"""The role `callbacks`: which kinds of providers tell what became of a mail."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic_settings import SettingsConfigDict

from tocsin.channel.callbacks_role import CallbackSettings
from tocsin.channel.receipts import ReceiptsKind
from tocsin.dispatch_email.mail_receipts import MAIL_RECEIPTS
from tocsin.dispatch_email.mailgun_receipts import MAILGUN_RECEIPTS
from tocsin.dispatch_email.postmark_receipts import POSTMARK_RECEIPTS
from tocsin.dispatch_email.sendgrid_receipts import SENDGRID_RECEIPTS
from tocsin.dispatch_email.ses_receipts import SES_RECEIPTS
from tocsin.dispatch_email.tracking_url import LinkSettings

RECEIPTS: Final[Mapping[str, ReceiptsKind[Any]]] = {
    "smtp": MAIL_RECEIPTS,
    "ses": SES_RECEIPTS,
    "sendgrid": SENDGRID_RECEIPTS,
    "mailgun": MAILGUN_RECEIPTS,
    "postmark": POSTMARK_RECEIPTS,
}
"""By the `kind` of the provider instance."""


class EmailCallbackSettings(CallbackSettings, LinkSettings):
    """Those of every such role, as `DISPATCH_EMAIL_…`."""

    receipts = RECEIPTS
    model_config = SettingsConfigDict(env_prefix="DISPATCH_EMAIL_", populate_by_name=True, frozen=True)

    @property
    def takes_more(self) -> bool:
        """Links of tracked mails."""
        return self.tracking_url is not None
