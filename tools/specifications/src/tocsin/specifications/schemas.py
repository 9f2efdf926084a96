"""A JSON Schema (2020-12) for every record that crosses Kafka as JSON."""

from typing import Any

from pydantic import TypeAdapter

from tocsin.contracts.cancellations import Cancellation
from tocsin.contracts.dead_letters import DeadLetter
from tocsin.contracts.directory import DirectoryRecord
from tocsin.contracts.events import CancellationRequest, NotificationRequest
from tocsin.contracts.inbox import BoxMoved
from tocsin.contracts.intents import IntentRecord
from tocsin.contracts.jobs import Job
from tocsin.contracts.statuses import StatusRecord
from tocsin.contracts.timers import TimerRecord
from tocsin.contracts.values.cancel_key import LONGEST
from tocsin.specifications.models import annotation_of

DIALECT = "https://json-schema.org/draft/2020-12/schema"
RECORDS: dict[str, Any] = {
    "notification-request": NotificationRequest,
    "cancellation-request": CancellationRequest,
    "cancellation": Cancellation,
    "box-moved": BoxMoved,
    "intent": IntentRecord,
    "job": Job,
    "timer": TimerRecord,
    "status": StatusRecord,
    "directory": DirectoryRecord,
    "dead-letter": DeadLetter,
}
CLOUDEVENT = "cloudevent"


def schemas() -> dict[str, dict[str, Any]]:
    """Name → schema, each complete in itself."""
    by_name = {
        name: {"$schema": DIALECT, "$id": f"urn:tocsin:schema:{name}:v1"} | schema_of(record)
        for name, record in RECORDS.items()
    }
    by_name[CLOUDEVENT] = {"$schema": DIALECT, "$id": f"urn:tocsin:schema:{CLOUDEVENT}:v1"} | cloudevent()
    return by_name


def schema_of(record: Any, *, reference: str = "#/$defs/{model}") -> dict[str, Any]:
    """The schema of what is written: fields with a default may be absent."""
    return TypeAdapter(annotation_of(record)).json_schema(ref_template=reference)


def cloudevent() -> dict[str, Any]:
    """A CloudEvent in structured mode, as Tocsin takes it; in binary mode the attributes are `ce_` headers."""
    text = {"type": "string", "minLength": 1, "maxLength": 1024}
    return {
        "title": "CloudEvent",
        "description": "A CloudEvent 1.0 with JSON data and the extension attribute `tenant`.",
        "type": "object",
        "required": ["specversion", "id", "source", "type", "tenant"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": text,
            "source": text,
            "type": text,
            "subject": text | {"description": "By default the id of the recipient."},
            "time": {
                "type": "string",
                "format": "date-time",
                "description": "The producer's claim; never relied on.",
            },
            "datacontenttype": {"type": "string", "default": "application/json"},
            "tenant": {"type": "string", "pattern": "^[a-z0-9-]{1,63}$"},
            "test": {
                "type": ["boolean", "string"],
                "description": "`true`: everything runs, nothing leaves.",
            },
            "traceparent": {"type": "string", "description": "W3C trace context."},
            "sendat": {
                "type": "string",
                "format": "date-time",
                "description": "When what follows from the event is to be sent; at most 365 days ahead. A time in the past is now.",
            },
            "delay": {
                "type": ["integer", "string"],
                "description": "So many seconds after the event; in place of `sendat`.",
            },
            "cancelkey": {
                "type": "string",
                "minLength": 1,
                "maxLength": LONGEST,
                "description": "Under this key what follows from the event can be cancelled.",
            },
            "data": {},
            "data_base64": {
                "type": "string",
                "contentEncoding": "base64",
                "contentMediaType": "application/json",
                "description": "In the place of `data`.",
            },
        },
    }
