"""Further provider instances of the local stack: one of each kind that the catcher stands in for, beside those that `providers` writes.

They are in the files of the same dispatchers, and no message goes to them until a tenant names them: `catcher-ses`, `catcher-sendgrid` and so on.
"""

from pathlib import Path
from typing import Final

from tocsin.dev.providers import Entry, as_toml

AWS_KEY_ID = "AKIALOCALSTACK0001"
AWS_SECRET = "local-stack-aws-secret"  # noqa: S105 -- the catcher on loopback, not a secret
SENDGRID_KEY = "SG.local-stack"
MAILGUN_DOMAIN = "mail.local-stack.example"
MAILGUN_KEY = "local-stack-mailgun-key"
POSTMARK_TOKEN = "local-stack-postmark-token"  # noqa: S105 -- the same
VONAGE_APPLICATION = "10ca1000-57ac-4000-8000-000000000001"
_SECRETS: Final = {
    "aws-secret": AWS_SECRET,
    "sendgrid-key": SENDGRID_KEY,
    "mailgun-key": MAILGUN_KEY,
    "postmark-token": POSTMARK_TOKEN,
}
_AWS: Final[Entry] = {
    "region": "eu-central-1",
    "access_key_id": AWS_KEY_ID,
    "secret_access_key_file": "aws-secret",
}
_TOPIC: Final = "arn:aws:sns:eu-central-1:000000000000:catcher"
"""What the catcher's receipts of AWS name."""


def write_more_providers(folder: Path, *, catcher: str, callbacks: str, keys: Path) -> None:
    """Appends them to the files in `folder`. `callbacks` is the address under which the roles that take receipts are called, up to the
    channel; `keys` is the folder of the catcher's `receipt-keys`, which may be written later."""
    for name, secret in _SECRETS.items():
        (folder / name).write_text(secret)
    sns: Entry = {"topics": [_TOPIC], "stand_in_certificate_file": str(keys / "sns-certificate.pem")}
    emails: dict[str, tuple[Entry, Entry]] = {
        "ses": (_AWS, sns),
        "sendgrid": (
            {"api_key_file": "sendgrid-key"},
            {"public_key_files": [str(keys / "sendgrid-verification-key.pem")]},
        ),
        "mailgun": (
            {"domain": MAILGUN_DOMAIN, "api_key_file": "mailgun-key"},
            {"signing_key_files": [str(keys / "mailgun-signing-key")]},
        ),
        "postmark": (
            {"server_token_file": "postmark-token"},
            {"login_files": [str(keys / "postmark-login")]},
        ),
    }
    texts: dict[str, tuple[Entry, Entry]] = {
        "vonage": (
            {
                "application_id": VONAGE_APPLICATION,
                "private_key_file": str(keys / "vonage-application-key.pem"),
                "webhook_url": f"{callbacks}/sms/callbacks/{_name('vonage')}",
            },
            {"signature_secret_files": [str(keys / "vonage-signature-secret")]},
        ),
        "aws_sms": (_AWS, sns),
        "sns": (_AWS, {}),
    }
    for channel, instances in (("email", emails), ("sms", texts)):
        with (folder / f"{channel}.toml").open("a") as file:
            for kind, (settings, receipts) in instances.items():
                file.write(
                    as_toml({"name": _name(kind), "kind": kind, "base_url": catcher, **settings}, receipts)
                )


def _name(kind: str) -> str:
    return f"catcher-{kind.replace('_', '-')}"
