"""What ingest answers, as OpenAPI shows it."""

from typing import Any

from pydantic import BaseModel, Field

from tocsin.web import ProblemDetails


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


def json_body(schema: str | dict[str, Any], media_type: str = "application/json") -> dict[str, Any]:
    """An OpenAPI media type object; `schema` may be the name of a component."""
    found = {"$ref": f"#/components/schemas/{schema}"} if isinstance(schema, str) else schema
    return {media_type: {"schema": found}}
