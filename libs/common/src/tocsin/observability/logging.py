"""Structured logs: JSON lines in production, readable ones on a terminal, ids bound once.

All loggers of the process, ours (`get_logger`) and everyone else's (uvicorn, aiokafka, sqlalchemy), share one way out:
one handler on the root logger, writing to stderr, with redaction before the line is written.
"""

import json
import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from tocsin.observability.error_text import error_text, traceback_text
from tocsin.observability.line_limit import LineLimit
from tocsin.observability.log_fields import FieldNames, renaming
from tocsin.observability.logger import bound_ids, facts_of
from tocsin.observability.redaction import redact_value
from tocsin.observability.tracing import current_traceparent

_OWN: Final = {*vars(logging.makeLogRecord({})), "message", "asctime"}
"""What every record has; the rest was given to it as `extra`."""

# Chatty at INFO on every rebalance or statement; their warnings matter.
_QUIET = (
    "aiokafka",
    "sqlalchemy",
    "sqlalchemy.engine",
    "httpx",
    "httpcore",
    "alembic",
    "uvicorn",
    "uvicorn.error",
    "asyncio",
)


def configure_logging(
    service: str,
    json: bool | None = None,
    *,
    level: str = "INFO",
    version: str | None = None,
    names: FieldNames = "plain",
    stream: TextIO | None = None,
) -> None:
    """Send every log line of the process to `stream` (stderr). `json=None` means JSON unless `stream` is a terminal.

    May be called again (the last call wins). Lines carry `timestamp` (UTC, ISO 8601), `level`, `service`, `version`, `logger` and `event`;
    within a trace also `trace_id` and `span_id`. `names` says what JSON calls them.
    """
    out = stream or sys.stderr
    as_json = not out.isatty() if json is None else json
    handler = logging.StreamHandler(out)
    own = {"service": service} | ({"version": version} if version is not None else {})
    render = _json_line(names) if as_json else _text_line(colors=out.isatty())
    handler.setFormatter(_Lines(own, render))
    handler.addFilter(LineLimit())
    handler.addFilter(_errors_in_our_words)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _QUIET:
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
        library.setLevel(max(logging.WARNING, logging.getLevelName(level)))
    logging.captureWarnings(capture=True)


_Render = Callable[[dict[str, Any]], str]


class _Lines(logging.Formatter):
    """A record as a line. What it holds is redacted before it is rendered."""

    def __init__(self, own: dict[str, str], render: _Render) -> None:
        super().__init__()
        self._own = own
        self._render = render

    def format(self, record: logging.LogRecord) -> str:
        facts = facts_of(record)
        fields = {**(_given(record) if facts is None else facts), "event": record.getMessage()}
        fields |= {
            "level": record.levelname.lower(),
            "logger": record.name,
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z"),
        }
        fields = self._own | _trace() | fields
        if record.stack_info:
            fields["stack"] = record.stack_info
        if record.exc_info and record.exc_info[1]:
            # ours: other formatters print local variables and values, and are not redacted
            fields["exception"] = traceback_text(record.exc_info[1])
        return self._render({name: redact_value(value) for name, value in fields.items()})


def _given(record: logging.LogRecord) -> dict[str, Any]:
    """What is known of a library's record besides its sentence: ids that are bound, and what it has given itself."""
    extra = {name: value for name, value in vars(record).items() if name not in _OWN}
    return bound_ids() | extra


def _trace() -> dict[str, str]:
    """Of the span within which the line was logged."""
    traceparent = current_traceparent()
    return {} if traceparent is None else {"trace_id": traceparent[3:35], "span_id": traceparent[36:52]}


def _json_line(names: FieldNames) -> _Render:
    renamed = renaming(names)
    return lambda fields: json.dumps(renamed(fields), ensure_ascii=False)


def _text_line(*, colors: bool) -> _Render:
    import structlog.dev  # noqa: PLC0415 - with what it brings a tenth of a start, and only a terminal needs it

    render = structlog.dev.ConsoleRenderer(colors=colors)
    return lambda fields: str(render(None, "", fields))


def _errors_in_our_words(record: logging.LogRecord) -> bool:
    """Libraries put errors into their sentences (`"lost: %s", error`)."""
    if isinstance(record.args, tuple):
        record.args = tuple(
            error_text(value) if isinstance(value, BaseException) else value for value in record.args
        )
    return True
