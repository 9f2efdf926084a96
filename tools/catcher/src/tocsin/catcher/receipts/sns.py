"""Messages of SNS to an HTTPS endpoint, signed with version 2 of its signatures.

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html. The topic is of the account 000000000000, which nobody at AWS has:
for it alone a role that takes receipts may trust a certificate of the operator's.
"""

import json
from base64 import b64encode
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from .keys import SNS_KEY, ReceiptKeys
from .telling import NotTellable, Told

TOPIC: Final = "arn:aws:sns:eu-central-1:000000000000:catcher"
_HOST: Final = "https://sns.eu-central-1.amazonaws.com"
_SIGNED: Final = ("Message", "MessageId", "Timestamp", "TopicArn", "Type")


def notification(event: dict[str, Any], *, url: str, keys: ReceiptKeys, now: datetime) -> Told:
    """A notification that holds this event. Raises NotTellable."""
    key = keys.private_key(SNS_KEY)
    if not isinstance(key, RSAPrivateKey):
        raise NotTellable(f"{SNS_KEY} holds no RSA key.")
    message = {
        "Type": "Notification",
        "MessageId": str(uuid4()),
        "TopicArn": TOPIC,
        "Message": json.dumps(event),
        "Timestamp": sns_time(now),
        "SignatureVersion": "2",
        "SigningCertURL": f"{_HOST}/SimpleNotificationService-catcher.pem",
    }
    text = "".join(f"{name}\n{message[name]}\n" for name in _SIGNED)
    message["Signature"] = b64encode(key.sign(text.encode(), PKCS1v15(), SHA256())).decode()
    headers = {
        "Content-Type": "text/plain; charset=UTF-8",
        "x-amz-sns-message-type": "Notification",
        "x-amz-sns-topic-arn": TOPIC,
    }
    return Told(url, headers, json.dumps(message).encode())


def sns_time(at: datetime) -> str:
    """As AWS writes times: `2026-01-01T00:00:00.000Z`."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
