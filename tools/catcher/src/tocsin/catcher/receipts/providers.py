"""Which kinds of providers tell of their messages, and where each is told: the table to extend."""

from collections.abc import Callable
from datetime import datetime

from pydantic import SecretStr

from tocsin.catcher.settings import CatcherSettings

from .aws_sms import AwsSmsTeller
from .keys import ReceiptKeys
from .mailgun import MailgunTeller
from .postmark import PostmarkTeller
from .sendgrid import SendGridTeller
from .ses import SesTeller
from .smtp import MailTeller
from .telling import Teller
from .twilio import TwilioTeller
from .vonage import VonageTeller


def tellers(settings: CatcherSettings, *, now: Callable[[], datetime]) -> dict[str, Teller]:
    """By the `provider` of a message. The instance that is told of is called `catcher-ses` and so on, after its kind."""
    keys = ReceiptKeys(settings.receipt_keys_folder)

    def url(channel: str, instance: str) -> str | None:
        base = settings.callbacks_url
        return None if base is None else f"{base}/{channel}/callbacks/{instance}"

    return {
        "smtp": MailTeller(
            url=settings.mail_callback_url, token=_shown(settings.mail_callback_token), now=now
        ),
        "ses": SesTeller(url=url("email", "catcher-ses"), keys=keys, now=now),
        "sendgrid": SendGridTeller(url=url("email", "catcher-sendgrid"), keys=keys, now=now),
        "mailgun": MailgunTeller(url=url("email", "catcher-mailgun"), keys=keys, now=now),
        "postmark": PostmarkTeller(url=url("email", "catcher-postmark"), keys=keys, now=now),
        "twilio": TwilioTeller(
            account_sid=settings.twilio_account_sid, auth_token=_shown(settings.twilio_auth_token)
        ),
        "vonage": VonageTeller(keys=keys, now=now),
        "aws_sms": AwsSmsTeller(url=url("sms", "catcher-aws-sms"), keys=keys, now=now),
    }


def _shown(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
