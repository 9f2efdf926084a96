"""The service account of development: written for the push dispatcher, read to verify what it signs."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


class AccountUnreadableError(Exception):
    """The service account file is missing or is not one; the sentence says which. Write it with `fcm-account`."""


@dataclass(frozen=True)
class CatcherAccount:
    """What a verifier needs of it."""

    project: str
    client_email: str
    token_uri: str
    public_key: rsa.RSAPublicKey


def write_account(path: Path, *, project: str, token_uri: str) -> None:
    """A new key in Google's file format, readable by its owner only; replaces the file in one step."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    email = f"tocsin-development@{project}.iam.gserviceaccount.com"
    account = {
        "type": "service_account",
        "project_id": project,
        "private_key_id": uuid4().hex,
        "private_key": pem,
        "client_email": email,
        "client_id": "100000000000000000000",
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": token_uri,
        "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
        "universe_domain": "googleapis.com",
    }
    replace_file(path, json.dumps(account, indent=2) + "\n", mode=0o600)


def read_account(path: Path) -> CatcherAccount:
    """Raises AccountUnreadableError."""
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        key = serialization.load_pem_private_key(fields["private_key"].encode(), password=None)
        public = key.public_key()
        if not isinstance(public, rsa.RSAPublicKey):
            raise AccountUnreadableError(f"{path} does not hold an RSA key")
        return CatcherAccount(
            project=fields["project_id"],
            client_email=fields["client_email"],
            token_uri=fields["token_uri"],
            public_key=public,
        )
    except OSError as error:
        raise AccountUnreadableError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise AccountUnreadableError(f"{path} is not a service account file") from error


def replace_file(path: Path, text: str, *, mode: int) -> None:
    """Readers see the old file or the whole new one, never a part; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.touch(mode=mode)
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
