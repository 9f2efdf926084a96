"""Provider kind `aws_sms`: AWS End User Messaging, `SendTextMessage`
(https://docs.aws.amazon.com/pinpoint/latest/apireference_smsvoicev2/API_SendTextMessage.html).
"""

from typing import ClassVar, Final, Literal

import httpx
import msgspec
from pydantic import Field

from tocsin.channel import Accepted, Answer, Idempotency, ProviderKind, message_id
from tocsin.channel.ref import SealRef, no_ref
from tocsin.contracts.codec import UNREADABLE_ERRORS, encode
from tocsin.contracts.jobs import Job
from tocsin.dispatch_sms.aws_account import AwsMessagesConfig, AwsProvider
from tocsin.dispatch_sms.aws_sms_errors import answer_of, read
from tocsin.dispatch_sms.segments import segments
from tocsin.dispatch_sms.sms_job import seconds_left, sender_of
from tocsin.runtime import Clock

REF: Final = "tocsin_ref"
"""The entry of `Context` that holds the ref. A value may have 800 characters."""
_SHORTEST_TTL, _LONGEST_TTL = 5, 259_200  # seconds


class AwsSmsConfig(AwsMessagesConfig):
    """`[[providers]]` with `kind = "aws_sms"`. `sender`: a number, a sender id, or the ARN or id of a pool."""

    kind: Literal["aws_sms"]
    configuration_set: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_:/-]{1,256}$")
    """Its event destinations are told what became of a message."""


class _Taken(msgspec.Struct, rename="pascal"):
    message_id: str = ""


_read_taken = msgspec.json.Decoder(_Taken).decode


class AwsSmsProvider(AwsProvider):
    """Events bear what `Context` holds: `tocsin_notification`, `tocsin_delivery` and the ref."""

    service = "sms-voice"
    headers: ClassVar = {
        "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Target": "PinpointSMSVoiceV2.SendTextMessage",
    }

    def __init__(self, config: AwsSmsConfig, clock: Clock) -> None:
        super().__init__(config, clock)
        self.seal_ref: SealRef = no_ref
        self._config = config

    def request(self, job: Job, text: str) -> httpx.Request:
        """A signed SendTextMessage."""
        request = {
            "DestinationPhoneNumber": job.private.address,
            "OriginationIdentity": sender_of(job, self._config.sender),
            "MessageBody": text,
            "MessageType": self._config.message_type.upper(),
            "ConfigurationSetName": self._config.configuration_set,
            "MaxPrice": self._config.max_price,
            # AWS's own queue must not send it late either.
            "TimeToLive": min(max(seconds_left(job, self._clock), _SHORTEST_TTL), _LONGEST_TTL),
            "Context": self._context(job),
        }
        return self.signed(encode({name: value for name, value in request.items() if value is not None}))

    def _context(self, job: Job) -> dict[str, str]:
        context = {"tocsin_notification": job.notification_id, "tocsin_delivery": job.delivery_id}
        ref = self.seal_ref(job)
        return context if ref is None else context | {REF: ref}

    def answer(self, response: httpx.Response, text: str) -> Answer:
        """What the response means."""
        if response.status_code == 200 and (identity := _message_id(response.content)):
            return Accepted(message_id=identity, segments=segments(text))
        return answer_of(response.status_code, read(response.content), retry_after=self.pause(response))


def _message_id(body: bytes) -> str | None:
    try:
        return message_id(_read_taken(body).message_id)
    except UNREADABLE_ERRORS:
        return None


AWS_SMS = ProviderKind(
    config=AwsSmsConfig,
    create=AwsSmsProvider,
    idempotency=Idempotency.NONE,
    title="AWS End User Messaging",
    limit=f"{AwsSmsProvider.longest_text} characters a text",
)
