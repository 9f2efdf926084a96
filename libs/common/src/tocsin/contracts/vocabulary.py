"""The words every service shares: lanes, channels, statuses, and the reasons that go with them.

Writers take a word from its enum. In published records it is an open string (`StatusWord` and the others below): new words come,
and a reader that meets one it does not know keeps it as it is.
"""

from collections.abc import Iterable
from enum import StrEnum
from functools import cache
from typing import Annotated, Final

import msgspec

DEFAULT_TEMPLATE: Final = "default"
"""The name of a template whose author gave it none."""
ONLY_STEP: Final = "1"
"""The name of the one step of a workflow that is written as a list of channels. It stands in ids: it never changes."""


class Lane(StrEnum):
    """Priority lanes, fastest first. Every topic from `events` on carries one, and nothing is shared between them."""

    CRITICAL = "critical"
    TRANSACTIONAL = "transactional"
    BULK = "bulk"

    @property
    def default_ttl_seconds(self) -> int:
        """How long a message lives when neither the producer nor its category says so: 10 min, 24 h, 72 h."""
        return _TTL_SECONDS[self]


_SPEED = {lane: index for index, lane in enumerate(Lane)}
_TTL_SECONDS = {Lane.CRITICAL: 600, Lane.TRANSACTIONAL: 24 * 3600, Lane.BULK: 72 * 3600}


@cache
def slowest(first: Lane, *others: Lane | None) -> Lane:
    """The slowest of the lanes given; None says nothing. A producer may ask for a slower lane, never a faster."""
    return max((first, *(lane for lane in others if lane is not None)), key=_SPEED.__getitem__)


def fastest(first: Lane, *others: Lane) -> Lane:
    """The fastest of the lanes given."""
    return min((first, *others), key=_SPEED.__getitem__)


class Channel(StrEnum):
    """What a message travels on."""

    EMAIL = "email"
    SMS = "sms"
    PUSH = "push"
    CHAT = "chat"
    WEBHOOK = "webhook"
    INAPP = "inapp"

    @property
    def dispatcher(self) -> str:
        """The service that hands this channel's jobs to providers."""
        return f"dispatch-{self.value}"


class DeviceKind(StrEnum):
    """The push services whose tokens are known. An open word: a record may carry another one, and readers carry it along."""

    FCM = "fcm"
    """Firebase Cloud Messaging; also the token that its library gives an app on iOS or in a browser."""
    APNS = "apns"
    WEBPUSH = "webpush"


class ChatKind(StrEnum):
    """The ways into a chat whose addresses are known. An open word, as `DeviceKind` is."""

    SLACK = "slack"
    """A channel or a person in the workspace of a bot, by Slack's id."""
    SLACK_WEBHOOK = "slack_webhook"
    """An incoming webhook of Slack: a URL that may write to one channel."""
    TEAMS = "teams"
    """A workflow of Microsoft Teams that a webhook starts: a URL that may write to one channel or chat."""


class StatusName(StrEnum):
    """The one vocabulary from acceptance to the last click, as timelines show it. A name enters when a service writes it.

    `accepted`, `scheduled`, `routed`, `skipped` and `duplicate` have no record of their own: a decision says them of its
    notification and of its targets.
    """

    EVENT_ACCEPTED = "event_accepted"
    EVENT_UNMATCHED = "event_unmatched"
    EVENT_REFUSED = "event_refused"
    EVENT_DUPLICATE = "event_duplicate"
    ACCEPTED = "accepted"
    SCHEDULED = "scheduled"
    ROUTED = "routed"
    SKIPPED = "skipped"
    DUPLICATE = "duplicate"
    EXPIRED = "expired"
    CANCEL_REQUESTED = "cancel_requested"
    CANCELLED = "cancelled"
    SENDING = "sending"
    SENT = "sent"
    DEFERRED = "deferred"
    FAILED = "failed"
    UNKNOWN = "unknown"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"
    OPENED = "opened"
    CLICKED = "clicked"
    READ = "read"
    SEEN = "seen"
    ARCHIVED = "archived"

    @property
    def final(self) -> bool:
        """True when Tocsin itself will do nothing more for the status's subject; receipts may still follow."""
        return self not in _NOT_FINAL


RECEIPTS: Final = frozenset(
    {
        StatusName.DELIVERED,
        StatusName.UNDELIVERED,
        StatusName.BOUNCED,
        StatusName.COMPLAINED,
        StatusName.UNSUBSCRIBED,
        StatusName.OPENED,
        StatusName.CLICKED,
        StatusName.READ,
        StatusName.SEEN,
        StatusName.ARCHIVED,
    }
)
"""What providers tell after they took a message. It decides nothing of what Tocsin does with the delivery, so it is never final."""

_NOT_FINAL = {
    StatusName.EVENT_ACCEPTED,
    StatusName.ACCEPTED,
    StatusName.SCHEDULED,
    StatusName.ROUTED,
    StatusName.CANCEL_REQUESTED,
    StatusName.SENDING,
    StatusName.DEFERRED,
    *RECEIPTS,
}


class TryAnswer(StrEnum):
    """What a provider's answer to one call means."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    NOT_SENT = "not_sent"
    THROTTLED = "throttled"
    AMBIGUOUS = "ambiguous"


class Outcome(StrEnum):
    """What a decision says of its notification as a whole."""

    DECIDED = "decided"
    """Each target says what became of it."""
    DUPLICATE = "duplicate"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    FAILED = "failed"
    SCHEDULED = "scheduled"
    """It waits until it is due, and is decided again then."""


class Again(StrEnum):
    """Why a notification was decided once more. The first decision has none of these."""

    RECHECK = "recheck"
    """A dispatcher sent one delivery back, because the recipient has changed since it was decided."""
    REDRIVE = "redrive"
    """A re-drive sends again what had ended without being sent."""
    TURN = "turn"
    """It waited, and goes on."""


class TimerEnd(StrEnum):
    """Why a timer fired."""

    DUE = "due"
    HURRIED = "hurried"
    """What it waited for came before it was due."""


class Rule(StrEnum):
    """The rules a decision looks at, in this order. What is not sent names the one that decided.

    Duplicates are found before anything is decided: of those, `duplicate` is the only rule that was looked at.
    """

    EXPIRY = "expiry"
    DUPLICATE = "duplicate"
    CANCELLATION = "cancellation"
    """Recorded only where it decides."""
    SEND_TIME = "send_time"
    """Recorded only where the message waits until it is due."""
    RECIPIENT = "recipient"
    CATEGORY = "category"
    THROTTLE = "throttle"
    """Recorded only where the workflow has a limit of its own."""
    QUOTA = "quota"
    """Recorded only where the tenant's day is full: the message waits for the next."""
    STEP = "step"
    """Recorded only where it decides: one delivery is decided again, and its step is gone."""
    CHANNEL = "channel"
    """Recorded only where it decides."""
    PREFERENCE = "preference"
    SUPPRESSION = "suppression"
    """Recorded only where an address is suppressed."""
    ADDRESS = "address"
    SENDER = "sender"
    TEMPLATE = "template"
    RENDER = "render"
    SIZE = "size"


class ClaimOutcome(StrEnum):
    """What the rule `duplicate` says of an event that is none."""

    CLAIMED = "claimed"
    """Its identity was claimed by this record."""
    CHECKED_BEFORE = "checked before"
    """A record of `intents`: its event was checked when the intent was written."""


class Reason(StrEnum):
    """Why a status is what it is: the reason codes of `duplicate`, `skipped`, `deferred`, `failed`, `event_refused` and dead letters."""

    # refused events and dead letters
    NOT_A_CLOUDEVENT = "not_a_cloudevent"
    ATTRIBUTE_MISSING = "attribute_missing"
    ATTRIBUTE_INVALID = "attribute_invalid"
    ATTRIBUTE_UNKNOWN = "attribute_unknown"
    TENANT_MISSING = "tenant_missing"
    TENANT_UNKNOWN = "tenant_unknown"
    DATA_INVALID = "data_invalid"
    DATA_TOO_LARGE = "data_too_large"
    DATA_TOO_COMPLEX = "data_too_complex"
    CANCEL_KEY_INVALID = "cancel_key_invalid"
    SEND_TIME_INVALID = "send_time_invalid"
    LIVES_TOO_LONG = "lives_too_long"
    WORKFLOW_UNKNOWN = "workflow_unknown"
    WORKFLOW_UNUSABLE = "workflow_unusable"
    FIELD_UNKNOWN = "field_unknown"
    RECIPIENTS_INVALID = "recipients_invalid"
    RECIPIENTS_TOO_COSTLY = "recipients_too_costly"
    RECIPIENT_ID_INVALID = "recipient_id_invalid"
    RECIPIENT_IS_ADDRESS = "recipient_is_address"
    EMAIL_INVALID = "email_invalid"
    PHONE_INVALID = "phone_invalid"
    LOCALE_INVALID = "locale_invalid"
    TIME_ZONE_UNKNOWN = "time_zone_unknown"
    DEVICE_INVALID = "device_invalid"
    CHAT_INVALID = "chat_invalid"
    LINK_INVALID = "link_invalid"
    ATTACHMENT_INVALID = "attachment_invalid"
    RECORD_UNREADABLE = "record_unreadable"
    OFFSET_NOT_KEPT = "offset_not_kept"
    # not sent, by decision
    OTHER_DATA = "other_data"
    QUOTA = "quota"
    RECIPIENT_UNKNOWN = "recipient_unknown"
    STEP_GONE = "step_gone"
    CATEGORY_UNKNOWN = "category_unknown"
    CATEGORY_OFF = "category_off"
    THROTTLE = "throttle"
    CHANNEL_UNKNOWN = "channel_unknown"
    PREFERENCE_OFF = "preference_off"
    BOUNCE = "bounce"
    COMPLAINT = "complaint"
    MANUAL = "manual"
    GONE = "gone"
    ADDRESS_MISSING = "address_missing"
    SENDER_MISSING = "sender_missing"
    TEMPLATE_MISSING = "template_missing"
    TEMPLATE_FAILED = "template_failed"
    TOO_LARGE = "too_large"
    # hand-off to providers
    RECHECK = "recheck"
    SET_ASIDE = "set_aside"
    RETRIES_EXHAUSTED = "retries_exhausted"
    PROVIDER_UNKNOWN = "provider_unknown"
    TARGET_UNSERVED = "target_unserved"
    ADDRESS_INVALID = "address_invalid"
    ADDRESS_GONE = "address_gone"
    RECIPIENT_STOPPED = "recipient_stopped"
    ENDPOINT_GONE = "endpoint_gone"
    ENDPOINT_DISABLED = "endpoint_disabled"
    DEVICE_GONE = "device_gone"
    CONTENT_REFUSED = "content_refused"
    CREDENTIALS_REFUSED = "credentials_refused"
    SENDER_REFUSED = "sender_refused"
    RECIPIENT_REFUSED = "recipient_refused"
    UNREACHABLE = "unreachable"
    ATTACHMENT_UNREACHABLE = "attachment_unreachable"
    ATTACHMENT_CHANGED = "attachment_changed"
    THROTTLED = "throttled"
    PROVIDER_ERROR = "provider_error"
    NO_ANSWER = "no_answer"
    INTERRUPTED = "interrupted"
    # told by receipts
    HARD_BOUNCE = "hard_bounce"
    SOFT_BOUNCE = "soft_bounce"
    BLOCKED = "blocked"
    PROVIDER_SUPPRESSED = "provider_suppressed"


def _known(words: Iterable[StrEnum]) -> msgspec.Meta:
    """Tells schemas the words known today, as a list that closes nothing."""
    return msgspec.Meta(extra_json_schema={"x-known-values": [word.value for word in words]})


_SAID_BY_DECISIONS = (
    StatusName.ACCEPTED,
    StatusName.SCHEDULED,
    StatusName.ROUTED,
    StatusName.SKIPPED,
    StatusName.DUPLICATE,
)

ChannelWord = Annotated[str, _known(Channel)]
"""The name of a channel in a published record."""
StatusWord = Annotated[str, _known(status for status in StatusName if status not in _SAID_BY_DECISIONS)]
OutcomeWord = Annotated[str, _known(Outcome)]
TargetWord = Annotated[
    str,
    _known(
        (StatusName.ROUTED, StatusName.SKIPPED, StatusName.FAILED, StatusName.EXPIRED, StatusName.CANCELLED)
    ),
]
AgainWord = Annotated[str, _known(Again)]
RuleWord = Annotated[str, _known(Rule)]
TryAnswerWord = Annotated[str, _known(TryAnswer)]
TimerEndWord = Annotated[str, _known(TimerEnd)]
ReasonWord = Annotated[str, _known(Reason)]
