"""What the ledger answers about re-drives, as OpenAPI shows it."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, Field

from tocsin.ledger.dead_letter_responses import DeadLetterBody
from tocsin.ledger.dead_letters import StoredLetter
from tocsin.ledger.redrive_selection import LetterSelection
from tocsin.ledger.redrives import MOST_COUNTED, Found, State, StoredRedrive
from tocsin.ledger.responses import OpenChannel, OpenReason, OpenStatus


class EndedBody(BaseModel):
    """One delivery, or one notification as a whole, that ended without being sent."""

    notification_id: str
    delivery_id: str | None = Field(description="Null: the notification as a whole")
    recipient: str | None
    workflow: str | None
    channel: OpenChannel | None
    provider: str | None
    status: OpenStatus
    reason: OpenReason | None
    at: datetime
    stored_at: datetime


class CountBody(BaseModel):
    """What a re-drive would do now."""

    dry_run: bool = True
    matched: int = Field(description=f"How many fit now; counted up to {MOST_COUNTED:,}")
    not_possible: int = Field(
        description="How many of them cannot be sent again, because their event is no longer kept or never was one"
    )
    samples: list[EndedBody | DeadLetterBody] = Field(description="The oldest of them")

    @classmethod
    def of(cls, selected: Found) -> Self:
        """What was found."""
        return cls(
            matched=selected.matched,
            not_possible=selected.not_possible,
            samples=[_sample(row) for row in selected.samples],
        )


class RedriveBody(BaseModel):
    """One re-drive."""

    id: str
    state: State
    notifications: dict[str, Any] | None = Field(
        default=None, description="The filter, where it is over notifications"
    )
    dead_letters: dict[str, Any] | None = Field(
        default=None, description="The filter, where it is over dead letters"
    )
    rate: int = Field(description="How many a second at most")
    matched: int = Field(description=f"How many fitted when it began; counted up to {MOST_COUNTED:,}")
    written: int = Field(
        description="How many were given to the router so far. Each has a timeline that tells what became of it"
    )
    not_possible: int = Field(description="How many could not be sent again so far")
    created_at: datetime
    ended_at: datetime | None = Field(
        description="When it was stopped, or finished: nothing more fits the filter"
    )

    @classmethod
    def of(cls, redrive: StoredRedrive) -> Self:
        """As it stands."""
        selection = redrive.selection
        shown = {name: getattr(redrive, name) for name in cls.model_fields if hasattr(redrive, name)}
        if isinstance(selection, LetterSelection):
            shown["dead_letters"] = _given(selection.filters) | {"without_tenant": not selection.letters_of}
        else:
            shown["notifications"] = {
                name: value for name, value in _given(selection).items() if name not in ("tenant", "test")
            }
        return cls(**shown)


def _given(filters: Any) -> dict[str, Any]:
    values = {name: getattr(filters, name) for name in filters.__struct_fields__}
    return {name: value for name, value in values.items() if value is not None}


def _sample(row: Any) -> EndedBody | DeadLetterBody:
    if isinstance(row, StoredLetter):
        return DeadLetterBody.of(row)
    return EndedBody.model_validate({name: getattr(row, name) for name in EndedBody.model_fields})
