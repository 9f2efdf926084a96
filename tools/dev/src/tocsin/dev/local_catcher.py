"""How the catcher is started in the local stack, and how the dispatchers are told of its endpoints."""

from pathlib import Path

from tocsin.dev.more_providers import (
    AWS_KEY_ID,
    AWS_SECRET,
    MAILGUN_DOMAIN,
    MAILGUN_KEY,
    POSTMARK_TOKEN,
    SENDGRID_KEY,
    VONAGE_APPLICATION,
    write_more_providers,
)
from tocsin.dev.processes import free_port
from tocsin.dev.providers import (
    FCM_PROJECT,
    MAIL_TOKEN,
    SLACK_TOKEN,
    TWILIO_ACCOUNT,
    TWILIO_TOKEN,
    write_providers,
)
from tocsin.dev.sample import WEBHOOK_SECRET


class LocalCatcher:
    """Its addresses and settings. `folder` is the run folder; `endpoints` is where its page finds the entry and a key; `entry` is
    the entry's address, where it plays receipts."""

    def __init__(self, *, folder: Path, endpoints: Path, entry: str) -> None:
        self._entry = entry
        self._account = folder / "fcm-account.json"
        self._key = folder / "apns-key.p8"
        self._receipt_keys = folder / "receipt-keys"
        self._endpoints = endpoints
        self._port = free_port()
        self._smtp_port = free_port()
        self._apns_port = free_port()
        self.providers = folder / "providers"
        self.url = f"http://127.0.0.1:{self._port}"
        self.smtp = f"127.0.0.1:{self._smtp_port}"

    @property
    def env(self) -> dict[str, str]:
        """Settings for `python -m tocsin.catcher`."""
        return {
            "CATCHER_HTTP_PORT": str(self._port),
            "CATCHER_SMTP_PORT": str(self._smtp_port),
            "CATCHER_TWILIO_ACCOUNT_SID": TWILIO_ACCOUNT,
            "CATCHER_TWILIO_AUTH_TOKEN": TWILIO_TOKEN,
            "CATCHER_AWS_ACCESS_KEY_ID": AWS_KEY_ID,
            "CATCHER_AWS_SECRET_ACCESS_KEY": AWS_SECRET,
            "CATCHER_SENDGRID_API_KEY": SENDGRID_KEY,
            "CATCHER_MAILGUN_DOMAIN": MAILGUN_DOMAIN,
            "CATCHER_MAILGUN_API_KEY": MAILGUN_KEY,
            "CATCHER_POSTMARK_SERVER_TOKEN": POSTMARK_TOKEN,
            "CATCHER_VONAGE_APPLICATION_ID": VONAGE_APPLICATION,
            "CATCHER_VONAGE_PUBLIC_KEY_FILE": str(self._receipt_keys / "vonage-application-public-key.pem"),
            "CATCHER_SLACK_BOT_TOKEN": SLACK_TOKEN,
            "CATCHER_APNS_PORT": str(self._apns_port),
            "CATCHER_FCM_ACCOUNT_FILE": str(self._account),
            "CATCHER_APNS_KEY_FILE": str(self._key),
            "CATCHER_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "CATCHER_ENDPOINTS_FILE": str(self._endpoints),
            "CATCHER_MAIL_CALLBACK_URL": f"{self._entry}/email/callbacks/catcher/mail",
            "CATCHER_MAIL_CALLBACK_TOKEN": MAIL_TOKEN,
            "CATCHER_CALLBACKS_URL": self._entry,
            "CATCHER_RECEIPT_KEYS_FOLDER": str(self._receipt_keys),
        }

    @property
    def account_command(self) -> tuple[str, ...]:
        """Writes the service account that its FCM endpoint trusts and the push dispatcher signs with."""
        return (
            "tocsin.catcher",
            "fcm-account",
            f"--out={self._account}",
            f"--token-uri={self.url}/token",
            f"--project={FCM_PROJECT}",
        )

    @property
    def key_command(self) -> tuple[str, ...]:
        """Writes the key that its APNs endpoint trusts and the push dispatcher signs with."""
        return ("tocsin.catcher", "apns-key", f"--out={self._key}")

    @property
    def receipt_keys_command(self) -> tuple[str, ...]:
        """Writes the keys with which it proves receipts, and by which the roles that take them know it."""
        return ("tocsin.catcher", "receipt-keys", f"--out={self._receipt_keys}")

    def write_providers(self) -> None:
        """Writes the dispatchers' files of provider instances."""
        write_providers(
            self.providers,
            catcher=self.url,
            smtp_port=self._smtp_port,
            fcm_account=self._account,
            apns=(f"http://127.0.0.1:{self._apns_port}", self._key),
            callbacks=self._entry,
        )
        write_more_providers(self.providers, catcher=self.url, callbacks=self._entry, keys=self._receipt_keys)
