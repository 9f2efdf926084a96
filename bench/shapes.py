"""How messages are grouped into requests: one by one, as batches of events, or as a campaign to a list that comes with the event."""

from enum import StrEnum

import msgspec

from tocsin.contracts.cloudevents import BATCH
from tocsin.contracts.events import NOTIFICATION_REQUESTED
from tocsin.contracts.ids import INGEST_SOURCE

BATCH_SOURCE = "bench/batches"


class Shape(StrEnum):
    """What one request holds."""

    SINGLE = "single"
    """One message to a known recipient."""
    BATCH = "batch"
    """An event for each message, each to a known recipient."""
    CAMPAIGN = "campaign"
    """One event whose recipients nobody knows: they come with it, each once."""


class Order(msgspec.Struct, kw_only=True):
    """What to send. Messages are numbered; number N has the event id `<prefix>N`, or in a campaign the recipient of that name."""

    port: int
    key: str
    workflow: str
    prefix: str
    recipients: list[str]
    """Of single messages and batches, in turn."""
    data: dict[str, str]
    count: int
    """Messages at most."""
    seconds: float
    """Time at most, in a closed loop."""
    connections: int
    shape: Shape = Shape.SINGLE
    size: int = 1
    """Messages a request; `count` is a multiple of it."""
    rate: float | None = None
    """Messages a second at planned times; None: a closed loop, each connection sends when it was answered."""
    sink_port: int | None = None
    """The sink's control port: a closed loop then never has more than `window` messages between request and hand-off."""
    window: int = 0
    fields: dict[str, int] = {}
    """What the request says beside workflow, recipients and data, such as its `delay`."""


def source_of(order: Order) -> str:
    """The source of its events."""
    return BATCH_SOURCE if order.shape is Shape.BATCH else INGEST_SOURCE


def event_id(order: Order, number: int) -> str:
    """The id of the event that one message comes from."""
    return f"{order.prefix}{number // order.size if order.shape is Shape.CAMPAIGN else number}"


def recipient_of(order: Order, number: int) -> str:
    """Whom one message is for."""
    if order.shape is Shape.CAMPAIGN:
        return f"{order.prefix}{number}"
    return order.recipients[number % len(order.recipients)]


def request(order: Order, number: int) -> bytes:
    """The whole request of this number."""
    messages = range(number * order.size, (number + 1) * order.size)
    if order.shape is Shape.BATCH:
        return _post(order, "/v1/events", f"Content-Type: {BATCH}", [_event(order, one) for one in messages])
    if order.shape is Shape.CAMPAIGN:
        recipients: list[object] = [_inline(recipient_of(order, one)) for one in messages]
    else:
        recipients = [recipient_of(order, one) for one in messages]
    headers = f"Idempotency-Key: {event_id(order, messages[0])}\r\nContent-Type: application/json"
    return _post(order, "/v1/notifications", headers, _asked(order, recipients))


def _asked(order: Order, recipients: list[object]) -> dict[str, object]:
    return {"workflow": order.workflow, "recipients": recipients, "data": order.data, **order.fields}


def _event(order: Order, number: int) -> dict[str, object]:
    return {
        "specversion": "1.0",
        "id": event_id(order, number),
        "source": BATCH_SOURCE,
        "type": NOTIFICATION_REQUESTED,
        "data": _asked(order, [recipient_of(order, number)]),
    }


def _inline(recipient: str) -> dict[str, object]:
    return {
        "id": recipient,
        "email": f"{recipient}@bench.example",
        "locale": "en",
        "attributes": {"first_name": f"Ada {recipient}"},
    }


def _post(order: Order, path: str, headers: str, content: object) -> bytes:
    body = msgspec.json.encode(content)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {order.key}\r\n"
        f"{headers}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
