"""How much one request may bring."""

from dataclasses import dataclass

from tocsin.contracts import limits


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeLimits:
    """The contract's limits, unless settings lower them."""

    body_bytes: int = limits.HTTP_BODY_BYTES
    recipients: int = limits.RECIPIENTS_PER_REQUEST
    batch_events: int = limits.EVENTS_PER_BATCH
    data_bytes: int = limits.EVENT_DATA_BYTES
    json_depth: int = limits.JSON_DEPTH
