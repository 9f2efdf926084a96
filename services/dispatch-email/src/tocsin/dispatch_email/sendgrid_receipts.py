"""What SendGrid tells: its Event Webhook, signed.

https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event, and beside it "Event Webhook Security Features": ECDSA
(P-256, SHA-256) over the timestamp header and the raw body. The body is an array of events, each with the custom arguments of its mail.
"""

from base64 import b64decode
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pydantic import AfterValidator, Field, SecretStr

from tocsin.channel.provider_config import SecretFile
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
from tocsin.runtime import Clock

REPEATS_SECONDS: Final = 24 * 3600.0
"""So long SendGrid repeats a callback that we did not take ("Troubleshooting the Event Webhook"). It documents no new signature for that.
One that is played again changes nothing: its statuses have the same ids."""
_SIGNATURE: Final = "x-twilio-email-event-webhook-signature"
_TIMESTAMP: Final = "x-twilio-email-event-webhook-timestamp"
_SIMPLE: Final = {
    "delivered": StatusName.DELIVERED,
    "spamreport": StatusName.COMPLAINED,
    "unsubscribe": StatusName.UNSUBSCRIBED,
    "group_unsubscribe": StatusName.UNSUBSCRIBED,
    "open": StatusName.OPENED,
    "click": StatusName.CLICKED,
}
"""Any other event but `bounce` and `dropped` changes nothing: processed, deferred, group_resubscribe, and what comes later."""
_DROPPED: Final = (
    ("Bounced", Reason.PROVIDER_SUPPRESSED),
    ("Unsubscribed", Reason.PROVIDER_SUPPRESSED),
    ("Spam Reporting", Reason.PROVIDER_SUPPRESSED),
    ("Spam Content", Reason.CONTENT_REFUSED),
    ("Invalid", Reason.ADDRESS_INVALID),
)
"""How the reasons of `dropped` begin."""


def _public_key(text: str) -> ec.EllipticCurvePublicKey:
    """From PEM, or from the one line that SendGrid shows."""
    lines = [line.strip() for line in text.splitlines() if "-----" not in line]
    key = load_der_public_key(b64decode("".join(lines), validate=True))
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise TypeError("no key of an elliptic curve")
    return key


def _is_public_key(secret: SecretStr) -> SecretStr:
    try:
        _public_key(secret.get_secret_value())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError(
            "the file holds no verification key: copy it from SendGrid's Event Webhook settings"
        ) from None
    return secret


class SendGridReceiptsConfig(ReceiptsConfig):
    """`[providers.receipts]` of an instance of kind `sendgrid`."""

    public_key_files: tuple[Annotated[SecretFile, AfterValidator(_is_public_key)], ...] = Field(
        min_length=1, max_length=2
    )
    """The verification key of the signed Event Webhook."""


class _Event(msgspec.Struct):
    """What is read of an event. Its address, its texts and its URL are not."""

    event: str
    timestamp: float | None = None
    sg_event_id: str | None = None
    sg_message_id: str | None = None
    sg_machine_open: bool = False
    tocsin_ref: str | None = None
    """The custom argument `sendgrid_body.REF`."""
    type: str | None = None
    status: str | None = None
    reason: str | None = None


_events: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_event: Final = msgspec.json.Decoder(_Event, strict=False).decode


class SendGridReceipts:
    """Of one account's Event Webhook."""

    def __init__(self, config: SendGridReceiptsConfig, clock: Clock) -> None:
        self._keys = [_public_key(file.get_secret_value()) for file in config.public_key_files]
        self._clock = clock

    async def verify(self, request: RawRequest) -> Sequence[ProviderEvent | Cause]:
        """The events of one call, in their order."""
        timestamp = request.headers.get(_TIMESTAMP, "")
        if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 12):
            raise Refused(Cause.SIGNATURE)
        try:
            signature = b64decode(request.headers.get(_SIGNATURE, ""), validate=True)
        except ValueError:
            raise Refused(Cause.SIGNATURE) from None
        signed = timestamp.encode() + request.body
        if not any(_is_signed(key, signature, signed) for key in self._keys):
            raise Refused(Cause.SIGNATURE)
        in_time(float(timestamp), self._clock, late=REPEATS_SECONDS)
        try:
            return [_read(raw) for raw in _events(request.body)]
        except UNREADABLE_ERRORS:
            raise Refused(Cause.UNREADABLE) from None


def _is_signed(key: ec.EllipticCurvePublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        key.verify(signature, signed, ec.ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def _read(raw: msgspec.Raw) -> ProviderEvent | Cause:
    """One event alone: the others of the call are taken, whatever this one holds."""
    try:
        event = _event(raw)
    except UNREADABLE_ERRORS:
        return Cause.UNREADABLE
    status, code, reason, detail = _meaning(event)
    return ProviderEvent(
        ref=event.tocsin_ref,
        status=status,
        id=event_id(event.sg_event_id, event.sg_message_id or "", event.event, str(event.timestamp)),
        at=_time(event.timestamp),
        code=code,
        reason=reason,
        detail=detail,
        automated=event.event == "open" and event.sg_machine_open,
    )


def _meaning(event: _Event) -> tuple[StatusName | None, str | None, Reason | None, str | None]:
    match event.event:
        case "bounce":
            code = enhanced_code(event.status, event.reason)
            reason = _bounce(event.type, code)
            return StatusName.BOUNCED, code, reason, DETAILS[reason]
        case "dropped":
            said = event.reason or ""
            reason = next((why for how, why in _DROPPED if said.startswith(how)), Reason.PROVIDER_ERROR)
            return (
                StatusName.UNDELIVERED,
                None,
                reason,
                "SendGrid dropped the mail and did not try to deliver it.",
            )
        case name:
            return _SIMPLE.get(name), None, None, None


def _bounce(kind: str | None, code: str | None) -> Reason:
    """SendGrid calls `blocked` what may be taken another time; of `bounce` it sends nothing to the address any more."""
    by_code = bounce_class(code)
    if kind == "blocked":
        return Reason.BLOCKED if by_code is Reason.BLOCKED else Reason.SOFT_BOUNCE
    if by_code is Reason.SOFT_BOUNCE and (code is None or code.startswith("5.")):
        return Reason.HARD_BOUNCE
    return by_code


def _time(seconds: float | None) -> datetime | None:
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


SENDGRID_RECEIPTS: Final = ReceiptsKind(
    config=SendGridReceiptsConfig,
    create=SendGridReceipts,
    tells=frozenset(_SIMPLE.values()) | {StatusName.BOUNCED, StatusName.UNDELIVERED},
)
