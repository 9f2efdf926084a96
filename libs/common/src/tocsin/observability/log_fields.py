"""What the fields of a log line are called, and how its level is written, for the platform that reads the lines.

| `LOG_FIELDS` | read by | level | when | what | release | trace |
|---|---|---|---|---|---|---|
| `plain` | Loki, Datadog, a person | `level`: `warning` | `timestamp` | `event` | `version` | `trace_id`, `span_id` |
| `gcp` | Google Cloud Logging | `severity`: `WARNING` | `time` | `message` | `version` | `logging.googleapis.com/trace`, `…/spanId` |
| `ecs` | Elasticsearch (ECS) | `log.level`: `warning` | `@timestamp` | `message` | `service.version` | `trace.id`, `span.id` |

All other fields keep their names: ids, counts and reasons. But where the common schema has an object of that name, a value there would be refused: `source`
is then `tocsin.source`, and `error` is `error.message`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

FieldNames = Literal["plain", "gcp", "ecs"]

_GCP: Final = {
    "level": "severity",
    "timestamp": "time",
    "event": "message",
    "trace_id": "logging.googleapis.com/trace",
    "span_id": "logging.googleapis.com/spanId",
}
_ECS_OBJECTS: Final = (
    "agent client cloud container data_stream destination device dll dns ecs email event faas file group host http log network observer orchestrator "
    "organization package process registry related rule server service source span threat tls trace transaction url user user_agent volume vulnerability"
)
"""What the schema has fields below, and no value of its own."""
_ECS: Final = {name: f"tocsin.{name}" for name in _ECS_OBJECTS.split()} | {
    "level": "log.level",
    "timestamp": "@timestamp",
    "event": "message",
    "service": "service.name",
    "version": "service.version",
    "logger": "log.logger",
    "trace_id": "trace.id",
    "span_id": "span.id",
    "error": "error.message",
    "exception": "error.stack_trace",
}
_ECS_VERSION: Final = "8.11.0"
"""Of the schema that has these names. ECS wants it in each line."""


def renaming(names: FieldNames) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """What gives a line's fields the names of the platform."""
    if names == "gcp":
        return lambda fields: _renamed(fields | {"level": fields["level"].upper()}, _GCP)
    if names == "ecs":
        return lambda fields: _renamed(fields, _ECS) | {"ecs.version": _ECS_VERSION}
    return lambda fields: fields


def _renamed(fields: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in fields.items()}
