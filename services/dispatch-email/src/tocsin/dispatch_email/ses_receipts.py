"""What Amazon SES tells: events of a configuration set, or feedback of an identity, by an SNS topic.

https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html and, for feedback,
https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html. The ref is in the header `X-Tocsin-Ref` among `mail.headers`. Feedback
has headers only where the identity is told to include them.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

from tocsin.channel.event_times import iso_time
from tocsin.channel.receipts import ProviderEvent, ReceiptsKind, enhanced_code, hashed
from tocsin.channel.sns_receipts import SnsReceipts, SnsReceiptsConfig
from tocsin.contracts.vocabulary import Reason, StatusName
from tocsin.dispatch_email.bounces import DETAILS, bounce_class
from tocsin.dispatch_email.own_headers import REF, whole_ref
from tocsin.runtime import Clock

_MOST_RECIPIENTS: Final = 100
"""Of a bounce that are read. Each of our mails has one recipient; one that is forwarded may come to several."""
_SIMPLE: Final = {
    "Delivery": StatusName.DELIVERED,
    "Open": StatusName.OPENED,
    "Click": StatusName.CLICKED,
}
_NOT_TRIED: Final = {
    "Reject": "SES took the mail and then refused it: it found a virus in it.",
    "Rendering Failure": "SES could not make a mail of its template.",
}
"""Any other event but a bounce, a complaint and a change of subscriptions changes nothing: Send, DeliveryDelay, and what comes later."""
_SUPPRESSED: Final = {"Suppressed", "OnAccountSuppressionList"}
_OF_TRANSIENT: Final = {
    "MailboxFull": Reason.SOFT_BOUNCE,
    "CustomTimeoutExceeded": Reason.SOFT_BOUNCE,
    "MessageTooLarge": Reason.BLOCKED,
    "ContentRejected": Reason.BLOCKED,
    "AttachmentRejected": Reason.BLOCKED,
}
"""Subtypes of a transient bounce after which SES does not try again. `General` is none: automatic answers of people who are away are told so.
https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html#bounce-types"""


class _Recipient(msgspec.Struct, rename="camel"):
    status: str | None = None
    diagnostic_code: str | None = None


class _Bounce(msgspec.Struct, rename="camel"):
    bounce_type: str
    bounce_sub_type: str = ""
    bounced_recipients: list[_Recipient] = msgspec.field(default_factory=list)
    timestamp: str | None = None


class _Complaint(msgspec.Struct, rename="camel"):
    complaint_feedback_type: str | None = None
    complaint_sub_type: str | None = None
    timestamp: str | None = None


class _Timed(msgspec.Struct):
    timestamp: str | None = None


class _Topic(msgspec.Struct, rename="camel"):
    topic_name: str
    subscription_status: str


class _Preferences(msgspec.Struct, rename="camel"):
    unsubscribe_all: bool = False
    topic_subscription_status: list[_Topic] = msgspec.field(default_factory=list)

    @property
    def left(self) -> set[str]:
        """The topics that are not wanted; `*` for all."""
        topics = {
            f"/{topic.topic_name}"
            for topic in self.topic_subscription_status
            if topic.subscription_status == "OptOut"
        }
        return topics | ({"*"} if self.unsubscribe_all else set())


class _Subscription(msgspec.Struct, rename="camel"):
    timestamp: str | None = None
    new_topic_preferences: _Preferences | None = None
    old_topic_preferences: _Preferences | None = None


class _Header(msgspec.Struct):
    name: str
    value: str


class _Mail(msgspec.Struct):
    timestamp: str | None = None
    headers: list[_Header] = msgspec.field(default_factory=list)


class _Event(msgspec.Struct, rename="camel"):
    """What is read of an event. Its addresses, its texts and its URLs are not, but for a code in them."""

    mail: _Mail
    event_type: str = ""
    notification_type: str = ""
    """Its name in feedback."""
    bounce: _Bounce | None = None
    complaint: _Complaint | None = None
    subscription: _Subscription | None = None
    delivery: _Timed | None = None
    open: _Timed | None = None
    click: _Timed | None = None


class _Told(NamedTuple):
    """What an event means, for one recipient."""

    status: StatusName | None
    at: str | None = None
    reason: Reason | None = None
    code: str | None = None
    detail: str | None = None


_event: Final = msgspec.json.Decoder(_Event, strict=False).decode


def read_events(text: str, message_id: str) -> Sequence[ProviderEvent]:
    """The events of one message; `message_id` is SNS's."""
    event = _event(text)
    ref = next(
        (whole_ref(header.value) for header in event.mail.headers if header.name.lower() == REF.lower()), None
    )
    return [
        ProviderEvent(
            ref=ref,
            status=told.status,
            id=message_id if place == 0 else hashed(message_id, str(place)),
            at=iso_time(told.at),
            code=told.code,
            reason=told.reason,
            detail=told.detail,
        )
        for place, told in enumerate(_meanings(event))
    ]


def _meanings(event: _Event) -> list[_Told]:
    name = event.event_type or event.notification_type
    if name in _SIMPLE:
        timed = event.delivery or event.open or event.click
        return [_Told(_SIMPLE[name], timed.timestamp if timed is not None else None)]
    if name in _NOT_TRIED:
        return [_Told(StatusName.UNDELIVERED, reason=Reason.CONTENT_REFUSED, detail=_NOT_TRIED[name])]
    if name == "Bounce" and event.bounce is not None:
        return list(_bounced(event.bounce))
    if name == "Complaint" and event.complaint is not None:
        return [_complained(event.complaint)]
    if name == "Subscription" and event.subscription is not None:
        return [_changed(event.subscription)]
    return [_Told(None)]


def _bounced(bounce: _Bounce) -> Iterator[_Told]:
    """For each recipient that it names, or once where it names none."""
    for recipient in bounce.bounced_recipients[:_MOST_RECIPIENTS] or [_Recipient()]:
        code = enhanced_code(recipient.status, recipient.diagnostic_code)
        if bounce.bounce_sub_type in _SUPPRESSED:
            yield _suppressed(StatusName.BOUNCED, bounce.timestamp)
        elif (reason := _bounce_reason(bounce, code)) is None:
            yield _Told(None, bounce.timestamp)
        else:
            yield _Told(StatusName.BOUNCED, bounce.timestamp, reason, code, DETAILS[reason])


def _bounce_reason(bounce: _Bounce, code: str | None) -> Reason | None:
    """None: the mail may be delivered yet, or was."""
    match bounce.bounce_type:
        case "Permanent":
            return Reason.BLOCKED if bounce_class(code) is Reason.BLOCKED else Reason.HARD_BOUNCE
        case "Undetermined":
            return Reason.SOFT_BOUNCE
        case _:
            return _OF_TRANSIENT.get(bounce.bounce_sub_type)


def _complained(complaint: _Complaint) -> _Told:
    if complaint.complaint_sub_type in _SUPPRESSED:
        return _suppressed(StatusName.UNDELIVERED, complaint.timestamp)
    if complaint.complaint_feedback_type == "not-spam":
        return _Told(None, complaint.timestamp)
    return _Told(StatusName.COMPLAINED, complaint.timestamp)


def _changed(change: _Subscription) -> _Told:
    """An unsubscribe where the recipient wants less than before."""
    before, now = change.old_topic_preferences, change.new_topic_preferences
    left = (now.left if now else set()) - (before.left if before else set())
    return _Told(StatusName.UNSUBSCRIBED if left else None, change.timestamp)


def _suppressed(status: StatusName, at: str | None) -> _Told:
    detail = "SES has the address on a suppression list and did not try to deliver the mail."
    return _Told(status, at, Reason.PROVIDER_SUPPRESSED, None, detail)


def _create(config: SnsReceiptsConfig, clock: Clock) -> SnsReceipts:
    return SnsReceipts(config, clock, read_events=read_events)


SES_RECEIPTS: Final = ReceiptsKind(
    config=SnsReceiptsConfig,
    create=_create,
    tells=frozenset(_SIMPLE.values())
    | {
        StatusName.BOUNCED,
        StatusName.UNDELIVERED,
        StatusName.COMPLAINED,
        StatusName.UNSUBSCRIBED,
    },
)
