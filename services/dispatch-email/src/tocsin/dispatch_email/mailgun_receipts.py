"""What Mailgun tells: its webhooks, one JSON object for each event, with its signature in the body.

https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks (HMAC-SHA256 of timestamp and token, under the webhook
signing key) and, beside it, "Webhook Payloads" and "Automatic Retries".
"""

import hmac
from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec
from pydantic import AfterValidator, Field

from tocsin.channel.event_times import unix_time
from tocsin.channel.provider_config import SecretFile, one_word
from tocsin.channel.receipts import (
    Cause,
    ProviderEvent,
    RawRequest,
    ReceiptsConfig,
    ReceiptsKind,
    Refused,
    enhanced_code,
    event_id,
    in_time,
)
from tocsin.contracts.codec import UNREADABLE_ERRORS
from tocsin.contracts.vocabulary import Reason, StatusName
from tocsin.dispatch_email.bounces import DETAILS, bounce_class
from tocsin.dispatch_email.mailgun import REF
from tocsin.dispatch_email.mailgun_tokens import Tokens
from tocsin.runtime import Clock

REPEATS_SECONDS: Final = 8 * 3600.0
"""So long Mailgun repeats a callback that we did not take, for 7.5 hours after the first. It documents no new signature for that."""
_LONGEST_TOKEN: Final = 200
_SIMPLE: Final = {
    "delivered": StatusName.DELIVERED,
    "complained": StatusName.COMPLAINED,
    "unsubscribed": StatusName.UNSUBSCRIBED,
    "opened": StatusName.OPENED,
    "clicked": StatusName.CLICKED,
}
"""Any other event but a permanent `failed` and `rejected` changes nothing: accepted, temporary failures, stored."""
_SUPPRESSED: Final = {"suppress-bounce", "suppress-complaint", "suppress-unsubscribe"}
_BLOCKED: Final = "espblock"


class MailgunReceiptsConfig(ReceiptsConfig):
    """`[providers.receipts]` of an instance of kind `mailgun`."""

    signing_key_files: tuple[Annotated[SecretFile, AfterValidator(one_word)], ...] = Field(
        min_length=1, max_length=2
    )
    """The account's HTTP webhook signing key; that of the primary account for a subaccount."""


class _Signature(msgspec.Struct, rename="kebab"):
    timestamp: str | int
    """Documented as a number, and shown as a text."""
    token: str
    signature: str
    parent_signature: str | None = None


class _Call(msgspec.Struct, rename="kebab"):
    signature: _Signature
    event_data: msgspec.Raw = msgspec.Raw()


class _DeliveryStatus(msgspec.Struct, rename="kebab"):
    code: int | None = None
    enhanced_code: str | None = None
    message: str | None = None
    description: str | None = None
    bounce_type: str | None = None


class _Client(msgspec.Struct):
    bot: str | None = None


class _Event(msgspec.Struct, rename="kebab"):
    """What is read of an event. Its address, its texts and its URL are not, but for a code in them."""

    event: str
    id: str | None = None
    timestamp: float | None = None
    severity: str | None = None
    reason: str | None = None
    delivery_status: _DeliveryStatus | None = None
    client_info: _Client | None = None
    user_variables: dict[str, Any] | list[Any] | None = None
    """An empty list where there are none."""


_call: Final = msgspec.json.Decoder(_Call, strict=False).decode
_event: Final = msgspec.json.Decoder(_Event, strict=False).decode


class MailgunReceipts:
    """Of one account's webhooks."""

    def __init__(self, config: MailgunReceiptsConfig, clock: Clock) -> None:
        self._keys = [file.get_secret_value().encode() for file in config.signing_key_files]
        self._clock = clock
        self._tokens = Tokens()

    async def verify(self, request: RawRequest) -> Sequence[ProviderEvent]:
        """The one event of a call."""
        try:
            call = _call(request.body)
        except UNREADABLE_ERRORS:  # what cannot be read bears no signature
            raise Refused(Cause.SIGNATURE) from None
        if not self._is_signed(call.signature):
            raise Refused(Cause.SIGNATURE)
        in_time(float(call.signature.timestamp), self._clock, late=REPEATS_SECONDS)
        try:
            event = _read(_event(call.event_data))
        except UNREADABLE_ERRORS:
            raise Refused(Cause.UNREADABLE) from None
        if self._tokens.tells_another(call.signature.token, event):
            raise Refused(Cause.REPLAYED)
        return [event]

    def _is_signed(self, signature: _Signature) -> bool:
        at, token = str(signature.timestamp), signature.token
        if not (at.isascii() and at.isdecimal() and len(at) <= 12 and len(token) <= _LONGEST_TOKEN):
            return False
        signed = f"{at}{token}".encode("utf-8", "surrogatepass")
        # All of them, so that the time says nothing of which one is near.
        right = [
            hmac.compare_digest((given or "").encode("utf-8", "surrogatepass"), _signature(key, signed))
            for key in self._keys
            for given in (signature.signature, signature.parent_signature)
        ]
        return any(right)


def _signature(key: bytes, signed: bytes) -> bytes:
    return hmac.digest(key, signed, "sha256").hex().encode()


def _read(event: _Event) -> ProviderEvent:
    status, code, reason, detail = _meaning(event)
    variables = event.user_variables if isinstance(event.user_variables, dict) else {}
    ref = variables.get(REF)
    return ProviderEvent(
        ref=ref if isinstance(ref, str) else None,
        status=status,
        id=event_id(event.id, event.event, str(event.timestamp)),
        at=unix_time(event.timestamp),
        code=code,
        reason=reason,
        detail=detail,
        automated=event.client_info is not None and bool(event.client_info.bot),
    )


def _meaning(event: _Event) -> tuple[StatusName | None, str | None, Reason | None, str | None]:
    match event.event:
        case "failed" if event.severity == "permanent":
            return _failed(event)
        case "rejected":
            detail = "Mailgun took the mail and then refused it."
            return StatusName.UNDELIVERED, None, Reason.PROVIDER_ERROR, detail
        case name:
            return _SIMPLE.get(name), None, None, None


def _failed(event: _Event) -> tuple[StatusName, str | None, Reason, str]:
    if event.reason in _SUPPRESSED:
        detail = "Mailgun has the address on a list of its own and did not try to deliver the mail."
        return StatusName.UNDELIVERED, None, Reason.PROVIDER_SUPPRESSED, detail
    told = event.delivery_status or _DeliveryStatus()
    code = enhanced_code(told.enhanced_code, told.message, told.description)
    reason = _bounce(event.reason, told.bounce_type, code)
    number = str(told.code) if told.code is not None and 200 <= told.code <= 999 else None
    return StatusName.BOUNCED, code or number, reason, DETAILS[reason]


def _bounce(reason: str | None, kind: str | None, code: str | None) -> Reason:
    """Mailgun calls `hard` what it sends nothing to any more."""
    by_code = bounce_class(code)
    if by_code is not Reason.SOFT_BOUNCE:
        return by_code
    if reason == _BLOCKED:
        return Reason.BLOCKED
    if kind == "hard" and (code is None or code.startswith("5.")):
        return Reason.HARD_BOUNCE
    return Reason.SOFT_BOUNCE


MAILGUN_RECEIPTS: Final = ReceiptsKind(
    config=MailgunReceiptsConfig,
    create=MailgunReceipts,
    tells=frozenset(_SIMPLE.values()) | {StatusName.BOUNCED, StatusName.UNDELIVERED},
)
