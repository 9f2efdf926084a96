"""Provider kind `aws_sms`: AWS End User Messaging, `SendTextMessage`
(https://docs.aws.amazon.com/pinpoint/latest/apireference_smsvoicev2/API_SendTextMessage.html).
"""

from typing import Any, Literal

import httpx
import msgspec
from pydantic import Field

from tocsin.channel import Accepted, Answer, Idempotency, ProviderKind, Rejected
from tocsin.channel.http import retry_after
from tocsin.contracts.codec import encode
from tocsin.contracts.jobs import Job
from tocsin.dispatch_sms.aws_account import AwsAccountConfig, AwsCalls
from tocsin.dispatch_sms.aws_sms_errors import answer_of, read
from tocsin.dispatch_sms.segments import segments
from tocsin.dispatch_sms.sms_job import seconds_left, sender_of, text_of
from tocsin.runtime import Clock

_LONGEST_TEXT = 1600
_SHORTEST_TTL, _LONGEST_TTL = 5, 259_200  # seconds
_HEADERS = {
    "Content-Type": "application/x-amz-json-1.0",
    "X-Amz-Target": "PinpointSMSVoiceV2.SendTextMessage",
}


class AwsSmsConfig(AwsAccountConfig):
    """`[[providers]]` with `kind = "aws_sms"`. `sender`: a number, a sender id, or the ARN or id of a pool."""

    kind: Literal["aws_sms"]
    message_type: Literal["transactional", "promotional"] = "transactional"
    configuration_set: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_:/-]{1,256}$")
    """Its event destinations are told what became of a message."""


class _Taken(msgspec.Struct, rename="pascal"):
    message_id: str = ""


_read_taken = msgspec.json.Decoder(_Taken).decode


class AwsSmsProvider:
    """One account in one region. The API knows no idempotency key: a second send arrives twice.

    Events bear the ids of `Context`: `tocsin_notification` and `tocsin_delivery`.
    """

    def __init__(self, config: AwsSmsConfig, clock: Clock) -> None:
        self.name = config.name
        self._config = config
        self._clock = clock
        self._calls = AwsCalls(config, clock, service="sms-voice")

    async def open(self) -> None:
        """Make the client; connections come with the first messages."""
        await self._calls.open()

    async def send(self, job: Job) -> Answer:
        """Send one message."""
        text = text_of(job, longest=_LONGEST_TEXT)
        if isinstance(text, Rejected):
            return text
        response = await self._calls.post(encode(self._request(job, text)), _HEADERS)
        return self._answer(response, text) if isinstance(response, httpx.Response) else response

    async def close(self) -> None:
        """Close every connection."""
        await self._calls.close()

    def _request(self, job: Job, text: str) -> dict[str, Any]:
        request = {
            "DestinationPhoneNumber": job.private.address,
            "OriginationIdentity": sender_of(job, self._config.sender),
            "MessageBody": text,
            "MessageType": self._config.message_type.upper(),
            "ConfigurationSetName": self._config.configuration_set,
            "MaxPrice": self._config.max_price,
            # AWS's own queue must not send it late either.
            "TimeToLive": min(max(seconds_left(job, self._clock), _SHORTEST_TTL), _LONGEST_TTL),
            "Context": {"tocsin_notification": job.notification_id, "tocsin_delivery": job.delivery_id},
        }
        return {name: value for name, value in request.items() if value is not None}

    def _answer(self, response: httpx.Response, text: str) -> Answer:
        if response.status_code == 200 and (identity := _message_id(response.content)):
            return Accepted(message_id=identity, segments=segments(text))
        pause = retry_after(response, now=self._clock.now())
        return answer_of(response.status_code, read(response.content), retry_after=pause)


def _message_id(body: bytes) -> str:
    try:
        return _read_taken(body).message_id
    except msgspec.DecodeError:
        return ""


AWS_SMS = ProviderKind(config=AwsSmsConfig, create=AwsSmsProvider, idempotency=Idempotency.NONE)
