"""What a caller asks of a re-drive, as OpenAPI shows it."""

from datetime import datetime
from typing import Annotated, Any, Final, Self

from pydantic import AwareDatetime, Field, model_validator
from pydantic_core import PydanticCustomError

from tocsin.contracts.values.text import line
from tocsin.contracts.vocabulary import Channel, Lane, Reason
from tocsin.ledger.dead_letters import NO_TENANT, LetterFilters
from tocsin.ledger.known_words import WORDS, one_of
from tocsin.ledger.redrive_selection import EndedAs, LetterSelection, NotificationSelection, Selection
from tocsin.web import Caller, RequestBody, judged

DEFAULT_RATE: Final = 50
LARGEST_RATE: Final = 1_000
_REASONS: Final = [reason.value for reason in Reason]


def _word(name: str, known: list[str], description: str) -> Any:
    return Annotated[
        str, one_of(name, known), Field(description=description, json_schema_extra={"enum": [*known]})
    ]


_Reason: Any = _word("reason", _REASONS, "Why it ended so")
_LetterReason: Any = _word("reason", list(WORDS["reason"]), "Why it could not be handled")
_Service: Any = _word("service", list(WORDS["service"]), "Which service could not handle it")
_Kind: Any = _word("kind", list(WORDS["kind"]), "What the record is: the family of its topic")
_Since = Annotated[AwareDatetime | None, Field(description="Stored at this time or later")]
_Until = Annotated[
    AwareDatetime | None,
    Field(description="Stored before this time; what comes after the request never counts"),
]
_Text = Annotated[str, Field(max_length=1024), judged(line)]


class NotificationsAsked(RequestBody):
    """Deliveries, and notifications as a whole, that ended without being sent and whose time has not passed."""

    status: EndedAs = Field(
        default="failed", description="How it ended. `unknown` may have been sent: it may come twice"
    )
    channel: Channel | None = None
    provider: _Text | None = Field(default=None, description="The provider instance that was asked last")
    reason: _Reason | None = None
    workflow: _Text | None = None
    recipient: _Text | None = None
    address_key: _Text | None = Field(
        default=None, description="Which address: an endpoint's key, a device's id, `email`, `phone`"
    )
    event: _Text | None = Field(default=None, description="The event's id")
    lane: Lane | None = None
    since: _Since = None
    until: _Until = None
    sent_on_another_channel: bool = Field(
        default=False, description="Also those whose notification was sent on another channel meanwhile"
    )

    @property
    def narrows(self) -> bool:
        """Whether it says which."""
        says_nothing = {"status", "sent_on_another_channel"}
        return any(
            getattr(self, name) is not None for name in type(self).model_fields if name not in says_nothing
        )


class DeadLettersAsked(RequestBody):
    """Events that could not be handled, and fan-outs that could not go on."""

    reason: _LetterReason | None = None
    service: _Service | None = None
    source: _Text | None = Field(default=None, description="The source of the event, as the producer has it")
    kind: _Kind | None = None
    since: _Since = None
    until: _Until = None
    without_tenant: bool = Field(
        default=False,
        description="Those that name no tenant that is known, in place of your own; asks for the scope `operate`",
    )

    @property
    def narrows(self) -> bool:
        """Whether it says which."""
        return any(
            getattr(self, name) is not None for name in type(self).model_fields if name != "without_tenant"
        )


class RedriveAsked(RequestBody):
    """What to send again: `notifications` or `dead_letters`. Without `"dry_run": false` it is only counted."""

    notifications: NotificationsAsked | None = None
    dead_letters: DeadLettersAsked | None = None
    all: bool = Field(default=False, description="Needed where the filter is empty: you mean everything")
    dry_run: bool = Field(default=True, description="Only count, and show the oldest")
    rate: int = Field(default=DEFAULT_RATE, ge=1, le=LARGEST_RATE, description="How many a second")

    @model_validator(mode="after")
    def _says_what(self) -> Self:
        filters = [given for given in (self.notifications, self.dead_letters) if given is not None]
        if len(filters) != 1:
            raise PydanticCustomError(
                "filter_missing", "Say what to send again: give either `notifications` or `dead_letters`"
            )
        if not filters[0].narrows and not self.all:
            raise PydanticCustomError(
                "filter_empty",
                "Without a filter this would send everything again. Add a field to the filter, such as `since`; if you mean everything, say "
                '`"all": true` (on the command line `--all`)',
            )
        return self

    def selection(self, caller: Caller, *, now: datetime) -> Selection:
        """What of the caller's it means. What is stored after `now` does not fit."""
        if (asked := self.dead_letters) is not None:
            filters = LetterFilters(
                reason=asked.reason,
                service=asked.service,
                source=asked.source,
                kind=asked.kind,
                since=asked.since,
                until=min(asked.until or now, now),
            )
            letters_of = NO_TENANT if asked.without_tenant else caller.tenant
            return LetterSelection(tenant=caller.tenant, letters_of=letters_of, filters=filters)
        given = (self.notifications or NotificationsAsked()).model_dump()
        given["until"] = min(given["until"] or now, now)
        return NotificationSelection(tenant=caller.tenant, test=caller.test, **given)
