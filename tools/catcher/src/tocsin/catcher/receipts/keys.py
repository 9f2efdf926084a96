"""What proves receipts in development: one folder, written once, read by the catcher and by the roles that take receipts."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from tocsin.catcher.service_account import replace_file

from .telling import NotTellable

SENDGRID_KEY: Final = "sendgrid-signing-key.pem"
SENDGRID_VERIFICATION_KEY: Final = "sendgrid-verification-key.pem"
SNS_KEY: Final = "sns-key.pem"
SNS_CERTIFICATE: Final = "sns-certificate.pem"
VONAGE_APPLICATION_KEY: Final = "vonage-application-key.pem"
VONAGE_APPLICATION_PUBLIC_KEY: Final = "vonage-application-public-key.pem"
VONAGE_SIGNATURE_SECRET: Final = "vonage-signature-secret"  # noqa: S105 the name of a file
MAILGUN_SIGNING_KEY: Final = "mailgun-signing-key"
POSTMARK_LOGIN: Final = "postmark-login"
_SNS_NAME: Final = "sns.amazonaws.com"
_CERTIFICATE_DAYS: Final = 365


class ReceiptKeys:
    """The files of one folder, read when they are needed: they may be written after the start."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    @property
    def known(self) -> bool:
        """Whether there is a folder at all."""
        return self._folder is not None

    def text(self, name: str) -> str:
        """What this file holds. Raises NotTellable."""
        if self._folder is None:
            raise NotTellable("CATCHER_RECEIPT_KEYS_FOLDER is not set.")
        try:
            return (self._folder / name).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            raise NotTellable(
                f"{self._folder / name} cannot be read: write it with `receipt-keys`."
            ) from error

    def private_key(self, name: str) -> PrivateKeyTypes:
        """The key in this file. Raises NotTellable."""
        try:
            return load_pem_private_key(self.text(name).encode(), password=None)
        except (ValueError, TypeError) as error:
            raise NotTellable(f"{name} holds no private key: write it with `receipt-keys`.") from error


def write_receipt_keys(folder: Path) -> None:
    """New ones, readable by their owner only; each file is replaced in one step."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    sendgrid = ec.generate_private_key(ec.SECP256R1())
    sns, vonage = (rsa.generate_private_key(65537, 2048) for _ in range(2))
    files = {
        SENDGRID_KEY: _private(sendgrid),
        SENDGRID_VERIFICATION_KEY: _public(sendgrid.public_key()),
        SNS_KEY: _private(sns),
        SNS_CERTIFICATE: _certificate(sns),
        VONAGE_APPLICATION_KEY: _private(vonage),
        VONAGE_APPLICATION_PUBLIC_KEY: _public(vonage.public_key()),
        VONAGE_SIGNATURE_SECRET: token_hex(32),
        MAILGUN_SIGNING_KEY: token_hex(32),
        POSTMARK_LOGIN: f"catcher:{token_hex(32)}",
    }
    for name, text in files.items():
        replace_file(folder / name, text, mode=0o600)


def _private(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _public(key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey) -> str:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _certificate(key: rsa.RSAPrivateKey) -> str:
    """Made out to SNS, and signed by itself: only who is given the file trusts it."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _SNS_NAME)])
    begins = datetime.now(UTC) - timedelta(days=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=_CERTIFICATE_DAYS))
        .sign(key, SHA256())
    )
    return made.public_bytes(Encoding.PEM).decode()
