"""What the errors of `SendTextMessage` mean for the message.

They and their reasons stand in https://docs.aws.amazon.com/pinpoint/latest/apireference_smsvoicev2/API_SendTextMessage.html and, as a
machine reads them, in botocore's `data/pinpoint-sms-voice-v2/2022-03-31/service-2.json`. Messages of errors go no further: they may
repeat what was sent.
"""

import re

import msgspec

from tocsin.channel import Answer, NotSent, Rejected
from tocsin.contracts.codec import UNREADABLE_ERRORS
from tocsin.contracts.vocabulary import Reason
from tocsin.dispatch_sms.aws_errors import common_answer

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")


class _Field(msgspec.Struct, rename="pascal"):
    name: str = ""


class _Body(msgspec.Struct, rename="pascal"):
    type: str = msgspec.field(default="", name="__type")
    reason: str | None = None
    resource_type: str | None = None
    fields: list[_Field] | None = None


_decode = msgspec.json.Decoder(_Body).decode


class AwsSmsError(msgspec.Struct, frozen=True):
    """An error as far as it matters. Texts are empty where the answer does not say."""

    code: str = ""
    """The exception."""
    reason: str = ""
    resource: str = ""
    """What was not found: `sender-id`, `configuration-set`, …"""
    fields: frozenset[str] = frozenset()
    """The parameters that it finds fault with."""


def read(body: bytes) -> AwsSmsError:
    """The error in an answer; whatever stands between AWS and us may answer with a page instead."""
    try:
        said = _decode(body)
    except UNREADABLE_ERRORS:
        return AwsSmsError()
    # `__type` may have a namespace in front and a URL behind: com.amazonaws#ConflictException:http://…
    code = said.type.partition(":")[0].rpartition("#")[2]
    reason = said.reason or ""
    return AwsSmsError(
        code if _WORD.fullmatch(code) else "",
        reason if _WORD.fullmatch(reason) else "",
        said.resource_type or "",
        frozenset(field.name for field in said.fields or ()),
    )


_REJECTED = {
    "DESTINATION_COUNTRY_BLOCKED": Reason.RECIPIENT_REFUSED,
    "DESTINATION_PHONE_NUMBER_NOT_VERIFIED": Reason.RECIPIENT_REFUSED,  # the account is still in AWS's sandbox
    "DESTINATION_PHONE_NUMBER_OPTED_OUT": Reason.RECIPIENT_STOPPED,
    "INTERNATIONAL_SENDING_NOT_SUPPORTED": Reason.RECIPIENT_REFUSED,
    "INVALID_IDENTITY_FOR_DESTINATION_COUNTRY": Reason.RECIPIENT_REFUSED,
    "MAXIMUM_SIZE_EXCEEDED": Reason.TOO_LARGE,
    "NO_ORIGINATION_IDENTITIES_FOUND": Reason.RECIPIENT_REFUSED,  # none that may send to this country
    "PRICE_OVER_THRESHOLD": Reason.RECIPIENT_REFUSED,  # dearer than `max_price`
}
"""This message will never go: give up."""

_SENDER = {
    "MESSAGE_TYPE_MISMATCH",
    "NUMBER_CAPABILITIES_MISMATCH",
    "RESOURCE_NOT_ACTIVE",
    "SENDER_ID_NOT_REGISTERED",
    "SENDER_ID_NOT_SUPPORTED",
    "SENDER_ID_REQUIRES_REGISTRATION",
}
"""The sender cannot send this: another instance's may."""

_SENDERS_OF_AN_ACCOUNT = {"phone-number", "sender-id", "pool"}


def answer_of(status: int, error: AwsSmsError, *, retry_after: float | None) -> Answer:
    """What an answer other than a taken message means."""
    said = error.reason or error.code or f"HTTP {status}"
    if error.reason in _REJECTED:
        return Rejected(reason=_REJECTED[error.reason], code=said, detail="AWS refuses the message.")
    if "DestinationPhoneNumber" in error.fields:
        return Rejected(reason=Reason.ADDRESS_INVALID, code=said, detail="AWS refuses the number.")
    if error.reason in _SENDER or "OriginationIdentity" in error.fields:
        return _sender_refused(said)
    if error.code == "ResourceNotFoundException" and error.resource in _SENDERS_OF_AN_ACCOUNT:
        return _sender_refused(said)
    if error.code in {"ServiceQuotaExceededException", "ResourceNotFoundException"}:
        detail = "The account has spent its monthly limit, or has no such configuration set."
        return NotSent(reason=Reason.CREDENTIALS_REFUSED, code=said, detail=detail)
    return common_answer(status, error.code, said, retry_after=retry_after)


def _sender_refused(said: str) -> NotSent:
    detail = "AWS refuses the sender: register it there, or set another one."
    return NotSent(reason=Reason.SENDER_REFUSED, code=said, detail=detail)
