"""Amazon SNS for tests: a certificate made out to it, messages signed as its documentation says, and its own server."""

import json
from base64 import b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tocsin.channel.receipts import RawRequest
from tocsin.channel.sns_fetch import NotFetched

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TOPIC = "arn:aws:sns:eu-central-1:123456789012:tocsin-events"
HOST = "https://sns.eu-central-1.amazonaws.com"
CERTIFICATE = f"{HOST}/SimpleNotificationService-9c6465fa7f48f5cacd23014631ec1136.pem"
CONFIRM = f"{HOST}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37"


@cache
def key(number: int = 0) -> rsa.RSAPrivateKey:
    """One of SNS's; another number is another key."""
    return rsa.generate_private_key(65537, 2048)


def certificate(
    private: Any = None,
    *,
    name: str = "sns.amazonaws.com",
    begins: datetime = NOW - timedelta(days=1),
    days: int = 90,
) -> bytes:
    """In PEM, signed by itself: what proves it is where it was fetched."""
    private = private or key()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(1)
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=days))
        .sign(private, SHA256())
    )
    return made.public_bytes(Encoding.PEM)


def sns_time(at: datetime) -> str:
    """As SNS writes it."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def message(kind: str = "Notification", *, at: datetime = NOW, **fields: Any) -> dict[str, Any]:
    """Unsigned; a field of None is left out."""
    plain: dict[str, Any] = {
        "Type": kind, "MessageId": str(uuid4()), "TopicArn": TOPIC, "Message": "{}", "Timestamp": sns_time(at),
        "SignatureVersion": "2", "SigningCertURL": CERTIFICATE,
    }  # fmt: skip
    if kind == "Notification":
        plain["UnsubscribeURL"] = f"{HOST}/?Action=Unsubscribe&SubscriptionArn=marked"
    else:
        plain |= {"SubscribeURL": CONFIRM, "Token": "2336412f37"}
    return {name: value for name, value in (plain | fields).items() if value is not None}


def signed(
    plain: dict[str, Any], *, by: rsa.RSAPrivateKey | None = None, digest: HashAlgorithm | None = None
) -> dict[str, Any]:
    """With the signature that the documentation says, name by name."""
    names = ["Message", "MessageId"]
    if plain["Type"] == "Notification":
        names += ["Subject"] if "Subject" in plain else []
    else:
        names += ["SubscribeURL"]
    names += ["Timestamp"]
    if plain["Type"] != "Notification":
        names += ["Token"]
    text = "".join(f"{name}\n{plain[name]}\n" for name in [*names, "TopicArn", "Type"])
    signature = (by or key()).sign(text.encode(), PKCS1v15(), digest or SHA256())
    return plain | {"Signature": b64encode(signature).decode()}


def posted(told: dict[str, Any] | bytes) -> RawRequest:
    """As SNS posts it: JSON that calls itself text."""
    body = (
        told
        if isinstance(told, bytes)
        else json.dumps(told, indent=2, ensure_ascii=False).encode("utf-8", "surrogatepass")
    )
    return RawRequest(
        "https://x.example/callbacks/aws", "", "", {"content-type": "text/plain; charset=UTF-8"}, body
    )


def event(content: dict[str, Any]) -> RawRequest:
    """A signed notification with an event."""
    return posted(signed(message(Message=json.dumps(content))))


@dataclass
class SnsServer:
    """SNS's own server, as `fetch` sees it."""

    pages: dict[str, bytes] = field(default_factory=lambda: {CERTIFICATE: certificate(), CONFIRM: b"<ok/>"})
    asked: list[str] = field(default_factory=list)
    away: bool = False

    async def fetch(self, url: str) -> bytes:
        """What is under this URL."""
        self.asked.append(url)
        if self.away or url not in self.pages:
            raise NotFetched
        return self.pages[url]
