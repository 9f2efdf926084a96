"""Provider kind `sns`: Amazon SNS, `Publish` to a phone number (https://docs.aws.amazon.com/sns/latest/api/API_Publish.html).

It only sends: SNS reports deliveries to CloudWatch Logs, without anything of ours. `aws_sms` has receipts.
"""

import re
from typing import ClassVar, Literal
from urllib.parse import urlencode

import httpx

from tocsin.channel import Accepted, Answer, Idempotency, ProviderKind
from tocsin.contracts.jobs import Job
from tocsin.dispatch_sms.aws_account import AwsMessagesConfig, AwsProvider
from tocsin.dispatch_sms.segments import segments
from tocsin.dispatch_sms.sms_job import sender_of
from tocsin.dispatch_sms.sns_errors import answer_of
from tocsin.runtime import Clock

_NUMBER = re.compile(r"\+?\d{5,14}", re.ASCII)
_MESSAGE_ID = re.compile(rb"<MessageId>([0-9A-Za-z-]{1,100})</MessageId>")


class SnsConfig(AwsMessagesConfig):
    """`[[providers]]` with `kind = "sns"`. `sender`: a number, or a sender id of up to 11 letters and digits."""

    kind: Literal["sns"]


class SnsProvider(AwsProvider):
    """`Publish` to a number knows no time to live."""

    service = "sns"
    headers: ClassVar = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}

    def __init__(self, config: SnsConfig, clock: Clock) -> None:
        super().__init__(config, clock)
        self._config = config

    def request(self, job: Job, text: str) -> httpx.Request:
        """A signed Publish."""
        return self.signed(urlencode(self._form(job, text)).encode())

    def answer(self, response: httpx.Response, text: str) -> Answer:
        """What the response means."""
        if response.status_code == 200 and (found := _MESSAGE_ID.search(response.content)):
            return Accepted(message_id=found[1].decode(), segments=segments(text))
        return answer_of(response.status_code, response.content, retry_after=self.pause(response))

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


SNS = ProviderKind(
    config=SnsConfig,
    create=SnsProvider,
    idempotency=Idempotency.NONE,
    title="Amazon SNS",
    limit=f"{SnsProvider.longest_text} characters a text",
)
