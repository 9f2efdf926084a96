"""What Amazon SNS posts to an HTTPS endpoint, and what of it is signed.

https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html and
https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html. Pure: nothing is fetched here. The topic says which host of
SNS's its certificate, and the address that confirms a subscription, must have.
"""

import re
from base64 import b64decode
from collections.abc import Iterator
from typing import Annotated, Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from pydantic import Field

TopicArn = Annotated[
    str, Field(pattern=r"^arn:aws[a-z-]{0,20}:sns:[a-z0-9-]{1,40}:[0-9]{12}:[A-Za-z0-9_-]{1,256}$")
]
"""Of a standard topic; FIFO topics call no endpoint."""
_CERTIFICATE: Final = re.compile(r"/SimpleNotificationService-[A-Za-z0-9]{1,64}\.pem")


class SnsMessage(msgspec.Struct, frozen=True, rename="pascal"):
    """A message in its envelope. Raw delivery has none, and no signature: it is not taken."""

    type: str
    message_id: str
    topic_arn: str
    message: str
    timestamp: str
    signature_version: str
    signature: str
    signing_cert_url: str = msgspec.field(name="SigningCertURL")
    subject: str | None = None
    subscribe_url: str = msgspec.field(name="SubscribeURL", default="")
    token: str = ""

    @property
    def host(self) -> str:
        """SNS's host in the region of the topic, which must be an ARN."""
        _, partition, _, region, *_ = self.topic_arn.split(":")
        return f"sns.{region}.amazonaws.com{'.cn' if partition == 'aws-cn' else ''}"

    @property
    def names_a_certificate_of_sns(self) -> bool:
        """Whether the certificate's URL is one of SNS's own, in the region of the topic."""
        origin = f"https://{self.host}"
        url = self.signing_cert_url
        return url.startswith(f"{origin}/") and _CERTIFICATE.fullmatch(url, len(origin)) is not None

    @property
    def confirms_at_sns(self) -> bool:
        """Whether the address that confirms the subscription is SNS's own, in the region of the topic."""
        return self.subscribe_url.startswith(f"https://{self.host}/?Action=ConfirmSubscription&")

    def is_signed_by(self, key: RSAPublicKey) -> bool:
        """Whether this key has signed it, by version 2 of SNS's signatures. Version 1 is SHA-1 and is not taken."""
        if self.signature_version != "2":
            return False
        try:
            signature = b64decode(self.signature, validate=True)
            key.verify(signature, "".join(self._signed()).encode(), PKCS1v15(), SHA256())
        except (ValueError, InvalidSignature):
            return False
        return True

    def _signed(self) -> Iterator[str]:
        fields = {"Message": self.message, "MessageId": self.message_id}
        if self.type == "Notification":
            if self.subject is not None:
                fields["Subject"] = self.subject
        else:
            fields |= {"SubscribeURL": self.subscribe_url, "Token": self.token}
        fields |= {"Timestamp": self.timestamp, "TopicArn": self.topic_arn, "Type": self.type}
        for name in sorted(fields):
            yield f"{name}\n{fields[name]}\n"


read: Final = msgspec.json.Decoder(SnsMessage).decode
"""The message of a body. Raises what `UNREADABLE_ERRORS` names."""
