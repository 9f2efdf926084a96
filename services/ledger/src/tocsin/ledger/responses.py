"""What the ledger answers, as OpenAPI shows it."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, create_model

from tocsin.contracts.statuses import Status
from tocsin.contracts.vocabulary import Channel, Lane, Reason, Rule, StatusName, TryAnswer
from tocsin.ledger.history import NotificationHistory, StatusRow, in_order
from tocsin.ledger.reading import MOST_ROWS
from tocsin.ledger.summaries import CancellationState, State, summarise


def _open(words: type[StrEnum]) -> Any:
    """A string with these values, and such as come later."""
    return Annotated[str, Field(json_schema_extra={"x-known-values": [word.value for word in words]})]


OpenStatus: Any = _open(StatusName)
OpenChannel: Any = _open(Channel)
OpenRule: Any = _open(Rule)
OpenReason: Any = _open(Reason)
OpenAnswer: Any = _open(TryAnswer)


class _ResponseBody(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class ConsiderationBody(_ResponseBody):
    """One rule a decision looked at."""

    rule: OpenRule
    outcome: str
    input: Any = None


class DecisionBody(_ResponseBody):
    """Every rule looked at, in order."""

    rules: list[ConsiderationBody]
    truncated: bool = Field(default=False, description="Inputs were left out to fit 4 KiB")


class TryBody(_ResponseBody):
    """One call to a provider instance."""

    provider: str
    code: str | None = Field(description="The provider's own")
    answer: OpenAnswer
    ms: int = Field(description="How long the call took")


class ReceiptBody(_ResponseBody):
    """What a provider told of a message after it had taken it."""

    id: str = Field(description="The provider's id of its event, else a hash of the event")
    at: datetime | None = Field(default=None, description="When it happened by the provider's clock")
    automated: bool = Field(default=False, description="A machine has opened or clicked, no person")
    action: str | None = Field(
        default=None, description="Of `clicked`: the name of the button that was pressed"
    )


_IN_THE_SUMMARY: Final = frozenset(
    {
        "version", "tenant", "event_source", "event_id", "notification_id", "recipient", "workflow", "category", "test",
    }
)  # fmt: skip
"""Fields of a status that a timeline does not repeat: the summary has them, or nobody needs them."""
_TYPES: Final[dict[str, Any]] = get_type_hints(Status) | {
    "status": OpenStatus,
    "channel": OpenChannel | None,
    "rule": OpenRule | None,
    "reason": OpenReason | None,
    "tries": list[TryBody],
    "receipt": ReceiptBody | None,
}
_DESCRIPTIONS: Final = {
    "final": "Tocsin itself will do nothing more for what this is about",
    "at": "When it happened",
    "due_at": "Of what waits: until when",
    "address_key": "Which address: `email`, `phone` or a device's id, never an address",
    "address_hash": "Which address it went to, without the address: the same for the same address",
    "cancel_key": "Under which its producer may cancel it, or has",
    "tries": "The calls made for one job, in order",
    "receipt": "Where a provider told it",
    "template": "The name of the template it was or would have been written with",
    "decision": "Where the router decided it: why",
    "redrive": "Where a re-drive had it decided: its id",
    "origin": "The event's place: topic/partition/offset; empty where a receipt does not say",
    "cause": "The place of the record that led to this; of a receipt its id",
}


def _status_fields() -> dict[str, Any]:
    """The fields of `Status` that a timeline shows, in their order, and `stored_at`. A new field of `Status` is shown."""
    fields: dict[str, Any] = {}
    for name in Status.__struct_fields__:
        if name not in _IN_THE_SUMMARY:
            fields[name] = (_TYPES[name], Field(description=_DESCRIPTIONS.get(name)))
        if name == "at":
            fields["stored_at"] = (datetime, Field(description="When the broker stored the record of it"))
        if name == "template_version":
            fields["decision"] = (
                DecisionBody | None,
                Field(default=None, description=_DESCRIPTIONS["decision"]),
            )
            fields["redrive"] = (str | None, Field(default=None, description=_DESCRIPTIONS["redrive"]))
    return fields


_StatusFields: Any = create_model("_StatusFields", __base__=_ResponseBody, **_status_fields())


class StatusBody(_StatusFields):
    """One thing that happened."""


class DeliveryBody(_ResponseBody):
    """One delivery, or one decision not to send."""

    delivery_id: str | None
    channel: OpenChannel | None
    address_key: str | None
    provider: str | None
    state: State
    engagement: OpenStatus | None = Field(
        default=None,
        description="What a person has done with it: `seen`, `archived`, `opened`, `read` or `clicked`, the strongest",
    )
    reason: OpenReason | None
    rule: OpenRule | None
    attempts: int
    at: datetime = Field(description="When it came to this state")
    due_at: datetime | None = Field(default=None, description="While it waits: until when")


class SummaryBody(_ResponseBody):
    """What became of one notification; or, where `kind` is `event`, a record about an event as a whole."""

    kind: Literal["notification", "event"]
    notification_id: str | None
    event_id: str | None
    event_source: str | None
    recipient: str | None
    workflow: str | None
    category: str | None
    actor: str | None = Field(default=None, description="The id of who caused it, where the request says")
    link: str | None = Field(default=None, description="Where a reader goes from the message")
    lane: Lane
    test: bool
    state: State | OpenStatus
    channels: dict[str, State] = {}
    deliveries: list[DeliveryBody] = []
    due_at: datetime | None = Field(
        default=None, description="While something of it waits: when it goes on, the earliest"
    )
    accepted_at: datetime | None = Field(description="When the broker stored the event")
    finished_at: datetime | None = Field(
        description="When the last of it ended; null while something is to come"
    )
    duplicates: int = Field(default=0, description="Repetitions of the event that sent nothing")
    reused_id: bool = Field(
        default=False, description="The id was used again after the window for duplicates"
    )
    cancellation: CancellationState | None = Field(
        default=None, description="What came of its cancellation; null where nobody has asked for one"
    )
    cancel_requested_at: datetime | None = Field(
        default=None, description="When the broker stored the first such wish"
    )
    truncated: bool = Field(
        default=False,
        description=f"More is stored than the {MOST_ROWS:,} oldest records, which are all that was looked at",
    )
    reason: OpenReason | None = None
    detail: str | None = None


class TimelineBody(_ResponseBody):
    """One notification: what became of it, and everything that happened, in order."""

    summary: SummaryBody
    timeline: list[StatusBody]


def timeline_of(history: NotificationHistory) -> TimelineBody:
    """The timeline of one notification."""
    return TimelineBody(
        summary=summary_of(history),
        timeline=[StatusBody.model_validate(row) for row in in_order(history.rows)],
    )


def summary_of(history: NotificationHistory) -> SummaryBody:
    """The summary of one notification."""
    rows = in_order(history.rows)
    summary = summarise(rows)
    first = next((row for row in rows if row.status == StatusName.ACCEPTED), rows[0])
    return SummaryBody(
        kind="notification",
        notification_id=first.notification_id,
        event_id=first.event_id,
        event_source=first.event_source,
        recipient=first.recipient,
        workflow=first.workflow,
        category=next((row.category for row in rows if row.category is not None), None),
        actor=first.actor,
        link=first.link,
        lane=first.lane,
        test=first.test,
        state=summary.state,
        channels=summary.channels,
        deliveries=[DeliveryBody.model_validate(delivery) for delivery in summary.deliveries],
        due_at=summary.due_at,
        accepted_at=summary.accepted_at,
        finished_at=summary.finished_at,
        duplicates=summary.duplicates,
        reused_id=summary.reused_id,
        cancellation=summary.cancellation,
        cancel_requested_at=summary.cancel_requested_at,
        truncated=history.truncated,
    )


def event_summary_of(row: StatusRow) -> SummaryBody:
    """A record about an event as a whole."""
    return SummaryBody(
        kind="event",
        notification_id=None,
        event_id=row.event_id,
        event_source=row.event_source,
        recipient=None,
        workflow=row.workflow,
        category=None,
        lane=row.lane,
        test=row.test,
        state=row.status,
        accepted_at=row.at if row.status == StatusName.EVENT_ACCEPTED else None,
        finished_at=row.at if row.final else None,
        reason=row.reason,
        detail=row.detail,
    )
