"""The endpoints of AWS for SMS: `SendTextMessage` of AWS End User Messaging, and `Publish` of SNS, both `POST /`.

https://docs.aws.amazon.com/pinpoint/latest/apireference_smsvoicev2/API_SendTextMessage.html,
https://docs.aws.amazon.com/sns/latest/api/API_Publish.html. Some numbers say how the phone is: +15005550001 is invalid, +15005550004
has opted out, +15005550008 throttles.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from .aws_signature import SignedRequest, refusal_of
from .mailbox import Mailbox
from .messages import Sms, uuid_or_none
from .segments import count_segments

_NUMBER = re.compile(r"\+?[1-9]\d{6,14}", re.ASCII)
_FIELDS = {
    "ConfigurationSetName",
    "Context",
    "DestinationCountryParameters",
    "DestinationPhoneNumber",
    "DryRun",
    "Keyword",
    "MaxPrice",
    "MessageBody",
    "MessageFeedbackEnabled",
    "MessageType",
    "OriginationIdentity",
    "ProtectConfigurationId",
    "TimeToLive",
}
_SENDER = re.compile(r"[A-Za-z0-9_:/+-]{1,256}")
_LONGEST_TEXT = 1600
_INVALID, _OPTED_OUT, _THROTTLES = "+15005550001", "+15005550004", "+15005550008"


@dataclass(frozen=True)
class AwsRefusal:
    """An error; how it is written differs between the two."""

    status: int
    code: str
    message: str
    reason: str | None = None
    field: str | None = None

    def as_json(self) -> dict[str, Any]:
        """As APIs of JSON write it."""
        body: dict[str, Any] = {"__type": self.code, "Message": self.message}
        if self.reason is not None:
            body["Reason"] = self.reason
        if self.field is not None:
            body["Fields"] = [{"Name": self.field, "Message": self.message}]
        return body

    def as_xml(self) -> str:
        """As SNS writes it."""
        error = f"<Error><Type>Sender</Type><Code>{self.code}</Code><Message>{self.message}</Message></Error>"
        return f'<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">{error}</ErrorResponse>'


class AwsSmsEndpoint:
    """One access key; without one, everybody is refused."""

    def __init__(
        self,
        *,
        mailbox: Mailbox,
        access_key_id: str | None,
        secret_access_key: str | None,
        now: Callable[[], datetime],
    ) -> None:
        self._mailbox = mailbox
        self._access_key_id = access_key_id
        self._secret = secret_access_key
        self._now = now

    def send_text_message(
        self, payload: object, *, headers: Mapping[str, str], body: bytes
    ) -> dict[str, str] | AwsRefusal:
        """`{"MessageId": …}`, or why not. Ids come from `Context`."""
        refusal = self._unsigned(headers, body, "sms-voice", denied="UnrecognizedClientException", status=400)
        if refusal is not None:
            return refusal
        if not isinstance(payload, dict):
            return AwsRefusal(400, "SerializationException", "The body is no JSON object.")
        refusal = _refused(payload)
        if refusal is not None:
            return refusal
        context = payload.get("Context", {})
        identity = self._caught(
            to=payload["DestinationPhoneNumber"],
            sender=payload.get("OriginationIdentity", "AWS"),
            text=payload["MessageBody"],
            request={name: str(value) for name, value in payload.items()},
            ids=(context.get("tocsin_notification"), context.get("tocsin_delivery")),
            provider="aws_sms",
            custom=context,
        )
        return {"MessageId": identity}

    def publish(
        self, form: Mapping[str, str], *, headers: Mapping[str, str], body: bytes
    ) -> str | AwsRefusal:
        """The message's id, or why not. SNS passes no ids on."""
        refusal = self._unsigned(headers, body, "sns", denied="InvalidClientTokenId", status=403)
        if refusal is not None:
            return refusal
        refusal = _refused_form(form)
        if refusal is not None:
            return refusal
        to, text = form["PhoneNumber"], form["Message"]
        names = {value: name for name, value in form.items() if name.endswith(".Name")}
        senders = ("AWS.SNS.SMS.SenderID", "AWS.MM.SMS.OriginationNumber")
        entry = next((names[sender] for sender in senders if sender in names), None)
        sender = form.get(f"{entry.removesuffix('Name')}Value.StringValue") if entry else None
        return self._caught(
            to=to,
            sender=sender or "AWS",
            text=text,
            request=dict(form),
            ids=(None, None),
            provider="sns",
            custom={},
        )

    def _unsigned(
        self, headers: Mapping[str, str], body: bytes, service: str, *, denied: str, status: int
    ) -> AwsRefusal | None:
        if self._access_key_id is None or self._secret is None:
            return AwsRefusal(status, denied, "CATCHER_AWS_ACCESS_KEY_ID is not set: no key is known.")
        request = SignedRequest("POST", "/", headers, body)
        refusal = refusal_of(
            request, key_id=self._access_key_id, secret=self._secret, service=service, now=self._now()
        )
        return AwsRefusal(status, denied, refusal[1]) if refusal else None

    def _caught(
        self,
        *,
        to: str,
        sender: str,
        text: str,
        request: dict[str, str],
        ids: tuple[Any, Any],
        provider: str,
        custom: dict[str, str],
    ) -> str:
        counted, identity = count_segments(text), str(uuid4())
        self._mailbox.add(
            Sms(
                received_at=self._now(),
                to=f"+{to.removeprefix('+')}",
                sender=sender,
                sid=identity,
                body=text,
                encoding=counted.encoding,
                units=counted.units,
                segments=counted.segments,
                request=request,
                provider=provider,
                custom=custom,
                notification_id=uuid_or_none(ids[0]),
                delivery_id=uuid_or_none(ids[1]),
            )
        )
        return identity


def _refused_form(form: Mapping[str, str]) -> AwsRefusal | None:
    if form.get("Action") != "Publish" or form.get("Version") != "2010-03-31":
        return AwsRefusal(400, "InvalidAction", "The catcher knows Publish of 2010-03-31 only.")
    to = form.get("PhoneNumber", "")
    if to == _THROTTLES:
        return AwsRefusal(400, "Throttling", "Rate exceeded")
    if to == _OPTED_OUT:
        return AwsRefusal(400, "OptedOut", "The number has opted out.")
    if not _NUMBER.fullmatch(to) or to == _INVALID:
        words = "Invalid parameter: PhoneNumber Reason: it is not valid to publish to"
        return AwsRefusal(400, "InvalidParameter", words)
    if not 1 <= len(form.get("Message", "")) <= _LONGEST_TEXT:
        return AwsRefusal(400, "InvalidParameter", "Invalid parameter: Message")
    return None


def _refused(payload: Mapping[str, Any]) -> AwsRefusal | None:
    to, text = payload.get("DestinationPhoneNumber"), payload.get("MessageBody")
    if to == _THROTTLES:
        return AwsRefusal(400, "ThrottlingException", "Rate exceeded")
    if to == _OPTED_OUT:
        reason = "DESTINATION_PHONE_NUMBER_OPTED_OUT"
        return AwsRefusal(400, "ConflictException", "The number has opted out.", reason)
    life = payload.get("TimeToLive", 5)
    checks: dict[str, object] = {
        "DestinationPhoneNumber": isinstance(to, str) and _NUMBER.fullmatch(to) and to != _INVALID,
        "MessageBody": isinstance(text, str) and 1 <= len(text) <= _LONGEST_TEXT,
        "OriginationIdentity": _SENDER.fullmatch(str(payload.get("OriginationIdentity", "a"))),
        "MessageType": payload.get("MessageType", "PROMOTIONAL") in {"TRANSACTIONAL", "PROMOTIONAL"},
        "TimeToLive": type(life) is int and 5 <= life <= 259_200,
        "Context": _is_context(payload.get("Context", {})),
    }
    wrong = [*sorted(payload.keys() - _FIELDS), *(name for name, right in checks.items() if not right)]
    return _invalid(wrong[0]) if wrong else None


def _is_context(value: object) -> bool:
    if not isinstance(value, dict) or len(value) > 5:
        return False
    return all(isinstance(text, str) and 1 <= len(text) <= 800 for text in value.values())


def _invalid(field: str) -> AwsRefusal:
    message = f"{field} is not valid."
    return AwsRefusal(400, "ValidationException", message, "FIELD_VALIDATION_FAILED", field)
