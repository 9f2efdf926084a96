"""What AWS End User Messaging tells: events of a configuration set, by an SNS topic.

https://docs.aws.amazon.com/sms-voice/latest/userguide/configuration-sets-event-format.html and, beside it, "Event types for SMS, MMS, and
voice". An event bears the `Context` that the message was sent with.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from tocsin.channel.event_times import unix_time
from tocsin.channel.receipts import ProviderEvent, ReceiptsKind
from tocsin.channel.sns_receipts import SnsReceipts, SnsReceiptsConfig
from tocsin.contracts.vocabulary import Reason, StatusName
from tocsin.dispatch_sms.aws_sms import REF
from tocsin.runtime import Clock


class _Why(NamedTuple):
    """Why a message was not delivered."""

    reason: Reason
    detail: str


_FAILURES: Final = {
    "TEXT_INVALID": _Why(Reason.ADDRESS_INVALID, "AWS says that the number is not valid."),
    "TEXT_INVALID_MESSAGE": _Why(Reason.CONTENT_REFUSED, "AWS says that the text is not valid."),
    "TEXT_UNREACHABLE": _Why(Reason.RECIPIENT_REFUSED, "The recipient's phone is off or out of reach."),
    "TEXT_CARRIER_UNREACHABLE": _Why(Reason.PROVIDER_ERROR, "AWS could not reach the recipient's carrier."),
    "TEXT_BLOCKED": _Why(Reason.RECIPIENT_REFUSED, "The recipient's phone blocks messages."),
    "TEXT_CARRIER_BLOCKED": _Why(Reason.BLOCKED, "The recipient's carrier blocked the message."),
    "TEXT_PROTECT_BLOCKED": _Why(
        Reason.BLOCKED, "A protect configuration of the AWS account blocked the message."
    ),
    "TEXT_SPAM": _Why(Reason.CONTENT_REFUSED, "The recipient's carrier takes the message for spam."),
    "TEXT_TTL_EXPIRED": _Why(Reason.PROVIDER_ERROR, "The message could not be delivered before it expired."),
}


class _Event(msgspec.Struct, rename="camel"):
    """What is read of an event. Its numbers and its texts are not."""

    event_type: str
    event_timestamp: float | None = None
    """Milliseconds."""
    context: dict[str, Any] | None = None


_event: Final = msgspec.json.Decoder(_Event, strict=False).decode


def read_events(text: str, message_id: str) -> Sequence[ProviderEvent]:
    """The one event of a message; `message_id` is SNS's. Any type but `TEXT_DELIVERED` and the failures changes nothing: TEXT_SUCCESSFUL says
    that the carrier has the message, TEXT_UNKNOWN that nobody knows."""
    event = _event(text)
    ref = (event.context or {}).get(REF)
    why = _FAILURES.get(event.event_type)
    status = StatusName.DELIVERED if event.event_type == "TEXT_DELIVERED" else None
    return [
        ProviderEvent(
            ref=ref if isinstance(ref, str) else None,
            status=StatusName.UNDELIVERED if why else status,
            id=message_id,
            at=None if event.event_timestamp is None else unix_time(event.event_timestamp / 1000),
            code=event.event_type if why else None,
            reason=why.reason if why else None,
            detail=why.detail if why else None,
        )
    ]


def _create(config: SnsReceiptsConfig, clock: Clock) -> SnsReceipts:
    return SnsReceipts(config, clock, read_events=read_events)


AWS_SMS_RECEIPTS: Final = ReceiptsKind(
    config=SnsReceiptsConfig,
    create=_create,
    tells=frozenset({StatusName.DELIVERED, StatusName.UNDELIVERED}),
)
