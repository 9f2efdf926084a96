"""What ingest answers: as OpenAPI shows it, and as msgspec encodes it, which is faster."""

from typing import Any

import msgspec
from fastapi import Response
from pydantic import BaseModel, Field

from tocsin.ingest.validation import AcceptedEvent, NamedNotification
from tocsin.web import Answered, ProblemDetails

_encode = msgspec.json.Encoder().encode


class NamedNotificationBody(BaseModel):
    """One recipient of the request."""

    recipient: str = Field(examples=["user-17"])
    notification_id: str = Field(description="Ask `/v1/timelines/{notification_id}` what became of it")


class AcceptedBody(BaseModel):
    """The event is stored; it will be decided on, once."""

    event_id: str = Field(
        description="The id it is known under; the same id again is a duplicate for 24 hours"
    )
    notifications: list[NamedNotificationBody] | None = Field(
        default=None, description="Where recipients are listed: one each, in their order"
    )


class BatchItemBody(BaseModel):
    """What became of one event of a batch."""

    status: int = Field(description="202: stored. 422: refused", examples=[202])
    event_id: str | None = Field(default=None, description="Absent where the event has no readable id")
    notifications: list[NamedNotificationBody] | None = None
    problem: ProblemDetails | None = Field(default=None, description="Why it was refused")


class BatchBody(BaseModel):
    """An answer for each event of the batch, in the batch's order."""

    items: list[BatchItemBody]


class AcceptedAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """`AcceptedBody`, as it is encoded."""

    event_id: str
    notifications: list[NamedNotification] | None = None


class BatchItemAnswer(msgspec.Struct, omit_defaults=True):
    """`BatchItemBody`, as it is encoded."""

    status: int
    event_id: str | None = None
    notifications: list[NamedNotification] | None = None
    problem: dict[str, Any] | None = None


def accepted_answer(accepted: AcceptedEvent) -> Answered:
    """The 202 of one event that is stored."""
    return Answered(202, _encode(AcceptedAnswer(accepted.event.id, accepted.notifications)))


def accepted_response(accepted: AcceptedEvent) -> Response:
    """The same, for a route of FastAPI."""
    status, body = accepted_answer(accepted)
    return Response(body, status_code=status, media_type="application/json")


def batch_answer(status: int, items: list[BatchItemAnswer]) -> Answered:
    """An answer for each event of a batch."""
    return Answered(status, _encode({"items": items}))
