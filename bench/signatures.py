"""What our own signatures cost beside those of the libraries that judge them: DKIM beside dkimpy, AWS's beside botocore.

`python bench/signatures.py` prints milliseconds for each; ADR 0038 has the figures of one machine.
"""

import timeit
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import dkim as dkimpy
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tocsin.channel.aws_signature import AwsCredentials, signed_headers
from tocsin.contracts.jobs import EmailContent, SenderIdentity
from tocsin.dispatch_email.dkim import DkimKey, Key, signed
from tocsin.dispatch_email.mailboxes import mailbox
from tocsin.dispatch_email.mime import mail

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DELIVERY = "3b0f6c1e-9d4b-5a53-8e33-1f2a4cbb1d10"
URL, HEADERS = (
    "https://email.eu-west-1.amazonaws.com/v2/email/outbound-emails",
    {"Content-Type": "application/json"},
)


def built(line: str, length: int) -> bytes:
    """A mail whose HTML has at least `length` bytes."""
    return mail(
        content=EmailContent(subject="Hello", text="Hello", html=line * (length // len(line) + 1)),
        sender=SenderIdentity(address="shop@example.com", name="Shop", reply_to="help@example.com"),
        to=mailbox("ada@example.org"),
        delivery_id=DELIVERY,
        notification_id=DELIVERY,
        unsubscribe_url="https://tocsin.example/u/abc",
        now=NOW.timestamp(),
    )


def show(name: str, call: Callable[[], object], number: int) -> None:
    """The best of five, in milliseconds of one call."""
    print(f"{name:45} {min(timeit.repeat(call, number=number, repeat=5)) / number * 1e3:8.4f} ms")


def dkim() -> None:
    usual, large, indented = (
        built("<p>Hello, Ada</p>\n", 2_000),
        built("<p>Hello, Ada</p>\n", 1_000_000),
        built("      <td>Hello</td>\n", 1_000_000),
    )
    keys: dict[str, Key] = {
        f"RSA {bits}": generate_private_key(65537, bits) for bits in (1024, 2048, 3072, 4096)
    }
    keys["Ed25519"] = Ed25519PrivateKey.generate()
    ours = {name: DkimKey(b"example.com", b"a", key) for name, key in keys.items()}
    for name, key in ours.items():
        show(f"DKIM, {name}", partial(signed, usual, [key], now=0), 50)
    show("DKIM, RSA 2048 and Ed25519", lambda: signed(usual, [ours["RSA 2048"], ours["Ed25519"]], now=0), 50)
    show("DKIM, RSA 2048 twice", lambda: signed(usual, [ours["RSA 2048"]] * 2, now=0), 50)
    show("DKIM, Ed25519, 1 MB", lambda: signed(large, [ours["Ed25519"]], now=0), 3)
    show("DKIM, Ed25519, 1 MB of indented HTML", lambda: signed(indented, [ours["Ed25519"]], now=0), 3)
    pem = keys["RSA 2048"].private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    show("DKIM, RSA 2048, dkimpy", lambda: dkimpy.sign(usual, b"a", b"example.com", pem), 20)


def aws() -> None:
    body = b'{"Content": {}}' * 100
    key = AwsCredentials("AKIDEXAMPLE", "secret")

    def ours() -> object:
        return signed_headers(
            key,
            method="POST",
            url=URL,
            headers=HEADERS,
            body=body,
            region="eu-west-1",
            service="ses",
            now=NOW,
        )

    signer = SigV4Auth(Credentials("AKIDEXAMPLE", "secret"), "ses", "eu-west-1")
    show("AWS", ours, 1000)
    show(
        "AWS, botocore",
        lambda: signer.add_auth(AWSRequest(method="POST", url=URL, headers=HEADERS, data=body)),
        200,
    )


if __name__ == "__main__":
    dkim()
    aws()
