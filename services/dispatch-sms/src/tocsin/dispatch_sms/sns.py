"""Provider kind `sns`: Amazon SNS, `Publish` to a phone number (https://docs.aws.amazon.com/sns/latest/api/API_Publish.html).

It only sends: SNS reports deliveries to CloudWatch Logs, without anything of ours. `aws_sms` has receipts.
"""

import re
from typing import Literal
from urllib.parse import urlencode

import httpx

from tocsin.channel import Accepted, Answer, Idempotency, ProviderKind, Rejected
from tocsin.channel.http import retry_after
from tocsin.contracts.jobs import Job
from tocsin.dispatch_sms.aws_account import AwsAccountConfig, AwsCalls
from tocsin.dispatch_sms.segments import segments
from tocsin.dispatch_sms.sms_job import sender_of, text_of
from tocsin.dispatch_sms.sns_errors import answer_of
from tocsin.runtime import Clock

_LONGEST_TEXT = 1600
_NUMBER = re.compile(r"\+?\d{5,14}", re.ASCII)
_HEADERS = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
_MESSAGE_ID = re.compile(rb"<MessageId>([0-9A-Za-z-]{1,100})</MessageId>")


class SnsConfig(AwsAccountConfig):
    """`[[providers]]` with `kind = "sns"`. `sender`: a number, or a sender id of up to 11 letters and digits."""

    kind: Literal["sns"]
    message_type: Literal["transactional", "promotional"] = "transactional"


class SnsProvider:
    """One account in one region. `Publish` to a number knows neither an idempotency key nor a time to live."""

    def __init__(self, config: SnsConfig, clock: Clock) -> None:
        self.name = config.name
        self._config = config
        self._clock = clock
        self._calls = AwsCalls(config, clock, service="sns")

    async def open(self) -> None:
        """Make the client; connections come with the first messages."""
        await self._calls.open()

    async def send(self, job: Job) -> Answer:
        """Publish one message."""
        text = text_of(job, longest=_LONGEST_TEXT)
        if isinstance(text, Rejected):
            return text
        response = await self._calls.post(urlencode(self._form(job, text)).encode(), _HEADERS)
        return self._answer(response, text) if isinstance(response, httpx.Response) else response

    async def close(self) -> None:
        """Close every connection."""
        await self._calls.close()

    def _form(self, job: Job, text: str) -> dict[str, str]:
        form = {
            "Action": "Publish",
            "Version": "2010-03-31",
            "PhoneNumber": job.private.address,
            "Message": text,
        }
        for position, (name, value) in enumerate(self._attributes(job).items(), 1):
            entry = f"MessageAttributes.entry.{position}"
            form[f"{entry}.Name"] = name
            form[f"{entry}.Value.DataType"] = "Number" if name == "AWS.SNS.SMS.MaxPrice" else "String"
            form[f"{entry}.Value.StringValue"] = value
        return form

    def _attributes(self, job: Job) -> dict[str, str]:
        """https://docs.aws.amazon.com/sns/latest/dg/sms_publish-to-phone.html"""
        attributes = {"AWS.SNS.SMS.SMSType": self._config.message_type.capitalize()}
        sender = sender_of(job, self._config.sender)
        if sender is not None:
            kind = "AWS.MM.SMS.OriginationNumber" if _NUMBER.fullmatch(sender) else "AWS.SNS.SMS.SenderID"
            attributes[kind] = sender
        if self._config.max_price is not None:
            attributes["AWS.SNS.SMS.MaxPrice"] = self._config.max_price
        return attributes

    def _answer(self, response: httpx.Response, text: str) -> Answer:
        if response.status_code == 200 and (found := _MESSAGE_ID.search(response.content)):
            return Accepted(message_id=found[1].decode(), segments=segments(text))
        pause = retry_after(response, now=self._clock.now())
        return answer_of(response.status_code, response.content, retry_after=pause)


SNS = ProviderKind(config=SnsConfig, create=SnsProvider, idempotency=Idempotency.NONE)
