"""What Postmark tells: its webhooks, one JSON object for each event.

https://postmarkapp.com/developer/webhooks/webhooks-overview and its pages for each `RecordType`; types of bounces:
https://postmarkapp.com/developer/api/bounce-api#bounce-types. Postmark signs nothing: it shows the name and the password that stand in the
URL which it is given.
"""

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from pydantic import AfterValidator, Field, SecretStr

from tocsin.channel.event_times import iso_time
from tocsin.channel.provider_config import SecretFile
from tocsin.channel.receipts import (
    Cause,
    ProviderEvent,
    RawRequest,
    ReceiptsConfig,
    ReceiptsKind,
    Refused,
    enhanced_code,
    hashed,
)
from tocsin.channel.shown_secrets import is_one_of, shown
from tocsin.contracts.codec import UNREADABLE_ERRORS
from tocsin.contracts.vocabulary import Reason, StatusName
from tocsin.dispatch_email.bounces import DETAILS
from tocsin.dispatch_email.postmark_body import REF
from tocsin.runtime import Clock

_LOGIN: Final = re.compile(r"[A-Za-z0-9._~-]{1,64}:[A-Za-z0-9._~-]{24,200}")
"""Nothing that would have to be escaped in a URL."""
_MOST_PIECES: Final = 10
"""Values that the metadata of a mail has at most."""


class _Meaning(NamedTuple):
    status: StatusName | None
    reason: Reason | None = None
    detail: str | None = None


_NOTHING: Final = _Meaning(None)


def _bounced(reason: Reason) -> _Meaning:
    return _Meaning(StatusName.BOUNCED, reason, DETAILS[reason])


_SIMPLE: Final = {
    "Delivery": _Meaning(StatusName.DELIVERED),
    "SpamComplaint": _Meaning(StatusName.COMPLAINED),
    "Open": _Meaning(StatusName.OPENED),
    "Click": _Meaning(StatusName.CLICKED),
}
_BOUNCES: Final = {
    "HardBounce": _bounced(Reason.HARD_BOUNCE),
    "SoftBounce": _bounced(Reason.SOFT_BOUNCE),
    "DnsError": _bounced(Reason.SOFT_BOUNCE),
    "Unknown": _bounced(Reason.SOFT_BOUNCE),
    "Blocked": _bounced(Reason.BLOCKED),
    "DMARCPolicy": _bounced(Reason.BLOCKED),
    "SpamNotification": _bounced(Reason.BLOCKED),
    "VirusNotification": _bounced(Reason.BLOCKED),
    "SpamComplaint": _Meaning(StatusName.COMPLAINED),
    "Unsubscribe": _Meaning(StatusName.UNSUBSCRIBED),
    "BadEmailAddress": _Meaning(
        StatusName.UNDELIVERED, Reason.ADDRESS_INVALID, "Postmark says that the address is none."
    ),
    "ManuallyDeactivated": _Meaning(
        StatusName.UNDELIVERED,
        Reason.PROVIDER_SUPPRESSED,
        "The address is switched off in Postmark, which did not try to deliver the mail.",
    ),
    "SMTPApiError": _Meaning(
        StatusName.UNDELIVERED, Reason.PROVIDER_ERROR, "Postmark took the mail and could not process it."
    ),
}
"""Any other changes nothing: Transient (Postmark tries again), AutoResponder, AddressChange, ChallengeVerification and others of mails
that were taken."""


def _is_login(secret: SecretStr) -> SecretStr:
    if not _LOGIN.fullmatch(secret.get_secret_value()):
        raise ValueError(
            "the file must hold `name:password`, the password of 24 characters or more, both of letters, digits and - . _ ~ alone"
        )
    return secret


class PostmarkReceiptsConfig(ReceiptsConfig):
    """`[providers.receipts]` of an instance of kind `postmark`."""

    login_files: tuple[Annotated[SecretFile, AfterValidator(_is_login)], ...] = Field(
        min_length=1, max_length=2
    )
    """What stands before the @ in the URL that Postmark calls: `name:password`, secrets of yours."""


class _Event(msgspec.Struct, rename="pascal"):
    """What is read of an event. Its address, its texts and its URL are not, but for a code in them."""

    record_type: str
    message_id: str | None = msgspec.field(name="MessageID", default=None)
    id: int | None = msgspec.field(name="ID", default=None)
    metadata: dict[str, Any] | None = None
    type: str | None = None
    details: str | None = None
    description: str | None = None
    suppress_sending: bool | None = None
    suppression_reason: str | None = None
    origin: str | None = None
    delivered_at: str | None = None
    bounced_at: str | None = None
    received_at: str | None = None
    changed_at: str | None = None

    @property
    def at(self) -> str | None:
        """Its time, which has another name in each type."""
        return self.delivered_at or self.bounced_at or self.received_at or self.changed_at


_event: Final = msgspec.json.Decoder(_Event, strict=False).decode


class PostmarkReceipts:
    """Of one server's webhooks."""

    def __init__(self, config: PostmarkReceiptsConfig, clock: Clock) -> None:  # noqa: ARG002 - nothing of Postmark's has a time that is signed
        self._logins = [b64encode(file.get_secret_value().encode()) for file in config.login_files]

    async def verify(self, request: RawRequest) -> Sequence[ProviderEvent]:
        """The one event of a call."""
        if not is_one_of(shown(request, "basic"), self._logins):
            raise Refused(Cause.SIGNATURE)
        try:
            return [_read(_event(request.body))]
        except UNREADABLE_ERRORS:
            raise Refused(Cause.UNREADABLE) from None


def _read(event: _Event) -> ProviderEvent:
    meaning = _meaning(event)
    code = enhanced_code(event.details, event.description) if meaning.status is StatusName.BOUNCED else None
    return ProviderEvent(
        ref=_ref(event.metadata or {}),
        status=meaning.status,
        id=hashed(event.record_type, event.message_id or "", str(event.id), event.at or ""),
        at=iso_time(event.at),
        code=code,
        reason=meaning.reason,
        detail=meaning.detail,
    )


def _meaning(event: _Event) -> _Meaning:
    match event.record_type:
        case "Bounce":
            return _BOUNCES.get(event.type or "", _NOTHING)
        case "SubscriptionChange" if event.suppress_sending and _by_recipient(event):
            return _Meaning(StatusName.UNSUBSCRIBED)
        case name:
            return _SIMPLE.get(name, _NOTHING)


def _by_recipient(event: _Event) -> bool:
    """An unsubscribe. A bounce and a complaint have events of their own; what the operator does in Postmark is no recipient's wish."""
    return event.suppression_reason == "ManualSuppression" and event.origin == "Recipient"


def _ref(metadata: Mapping[str, Any]) -> str | None:
    pieces: list[str] = []
    for place in range(_MOST_PIECES):
        piece = metadata.get(REF.format(place))
        if not isinstance(piece, str):
            break
        pieces.append(piece)
    return "".join(pieces) or None


POSTMARK_RECEIPTS: Final = ReceiptsKind(
    config=PostmarkReceiptsConfig,
    create=PostmarkReceipts,
    tells=frozenset(
        meaning.status for meaning in (*_SIMPLE.values(), *_BOUNCES.values()) if meaning.status is not None
    ),
)
