"""Which records of `status` are told to a tenant's endpoints, and as what: the public status as a CloudEvent."""

from collections.abc import Iterator
from typing import Final

from tocsin.contracts.channels import CHANNELS
from tocsin.contracts.statuses import Decision, Status, StatusRecord
from tocsin.contracts.vocabulary import Outcome, StatusName

TOLD_OVER: Final = next(spec for spec in CHANNELS.values() if spec.address.held_by_tenant)
"""The channel of those jobs: the one whose addresses are the tenant's."""
STATUS_SOURCE: Final = "tocsin:status"
"""The CloudEvents `source` of a status that is told; its `id` is the status id. No workflow's key has a colon, so it is the name of the
workflow of these messages, too."""
STATUS_STEP: Final = "told"
ENDPOINTS_SOURCE: Final = "tocsin:webhook-endpoints"
"""The CloudEvents `source` of what is told to a tenant of its endpoints."""
ENDPOINTS_RECIPIENT: Final = "webhook-endpoints"
"""The `subject` of these events: the recipient whom a tenant makes to hear of them."""
_STATUS: Final = "tocsin.status"
_DECISION: Final = "tocsin.decision"
NAMES: Final = tuple(dict.fromkeys((*StatusName, Outcome.DECIDED.value)))
"""What an endpoint can ask for."""


def names_of(record: StatusRecord) -> frozenset[str]:
    """The names that a record goes by. A status has its own. A decision has its outcome, what became of its targets, and `accepted` where it is
    the first about a notification that is no duplicate."""
    if isinstance(record, Status):
        return frozenset((record.status,))
    return frozenset(_names_of_decision(record))


def _names_of_decision(decision: Decision) -> Iterator[str]:
    yield decision.outcome
    if decision.again is None and decision.outcome != Outcome.DUPLICATE:
        yield StatusName.ACCEPTED
    for channel in decision.channels:
        for target in channel.targets:
            yield target.outcome


def event_type_of(record: StatusRecord) -> str:
    """`tocsin.status.delivered.v1`; of a decision `tocsin.decision.skipped.v1`, by its outcome."""
    if isinstance(record, Status):
        return f"{_STATUS}.{record.status}.v1"
    return f"{_DECISION}.{record.outcome}.v1"


def is_about_webhook(record: StatusRecord) -> bool:
    """Whether it tells how a webhook went. That is told to nobody: it would bring about a webhook, which has statuses, and so on for ever."""
    spec = CHANNELS.get(record.channel or "") if isinstance(record, Status) else None
    return spec is not None and spec.address.held_by_tenant
