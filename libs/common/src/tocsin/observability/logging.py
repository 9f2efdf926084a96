"""Structured logs: JSON lines in production, readable ones on a terminal, ids bound once.

All loggers of the process, ours (structlog) and everyone else's (stdlib: uvicorn, aiokafka, sqlalchemy), share one way out:
one handler on the root logger, writing to stderr, with redaction before the line is written.
"""

import logging
import sys
from contextvars import ContextVar, Token
from typing import Final, TextIO

import structlog
from structlog.typing import EventDict, ExcInfo, WrappedLogger

from tocsin.observability.error_text import error_text, traceback_text
from tocsin.observability.line_limit import LineLimit
from tocsin.observability.redaction import redact_value

Logger = structlog.stdlib.BoundLogger

_ids: Final[ContextVar[dict[str, str] | None]] = ContextVar("tocsin_log_ids", default=None)


class bound:  # noqa: N801 - reads as a function, but is a class because that is a fraction of the cost
    """`with bound(tenant=…, delivery_id=…):` puts these ids on every line logged inside, by whomever.

    Costs about a microsecond, whether a line is logged or not: for each request and each delivery, not for each record.
    """

    __slots__ = ("_own", "_token")

    def __init__(self, **ids: str) -> None:
        self._own = ids
        self._token: Token[dict[str, str] | None] | None = None

    def __enter__(self) -> None:
        outer = _ids.get()
        self._token = _ids.set({**outer, **self._own} if outer else self._own)

    def __exit__(self, *error: object) -> None:
        if self._token is not None:
            _ids.reset(self._token)


def _add_ids(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for name, value in (_ids.get() or {}).items():
        event.setdefault(name, value)
    return event


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


# Until `configure_logging` is called (in tests, in scripts), our lines go to the stdlib's loggers and no further: structlog's
# own default would print every local variable beside a traceback.
if not structlog.is_configured():
    structlog.configure(
        processors=[
            _add_ids,
            structlog.stdlib.filter_by_level,
            structlog.stdlib.render_to_log_kwargs,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def get_logger(name: str | None = None) -> Logger:
    """A logger whose `event` is a short constant and whose facts are fields: `log.info("job sent", delivery_id=…)`."""
    logger: Logger = structlog.stdlib.get_logger(name) if name else structlog.stdlib.get_logger()
    return logger


def configure_logging(
    service: str, json: bool | None = None, *, level: str = "INFO", stream: TextIO | None = None
) -> None:
    """Send every log line of the process to `stream` (stderr). `json=None` means JSON unless `stream` is a terminal.

    May be called again (the last call wins). Lines carry `timestamp` (UTC, ISO 8601), `level`, `service`, `logger`, `event`.
    """
    out = stream or sys.stderr
    as_json = not out.isatty() if json is None else json
    shared: list[structlog.typing.Processor] = [
        _add_ids,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        _name(service),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                # formatted here, not by the renderer: its own traceback prints local variables and values, and is not redacted
                structlog.processors.ExceptionRenderer(_traceback),
                _redact,
                _render(as_json, colors=out.isatty()),
            ],
        )
    )
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


def _render(as_json: bool, *, colors: bool) -> structlog.typing.Processor:
    if as_json:
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    return structlog.dev.ConsoleRenderer(colors=colors)


def _traceback(exc_info: ExcInfo) -> str:
    return traceback_text(exc_info[1])


def _errors_in_our_words(record: logging.LogRecord) -> bool:
    """Libraries put errors into their sentences (`"lost: %s", error`)."""
    if isinstance(record.args, tuple):
        record.args = tuple(
            error_text(value) if isinstance(value, BaseException) else value for value in record.args
        )
    return True


def _name(service: str) -> structlog.typing.Processor:
    def add(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event.setdefault("service", service)
        return event

    return add


def _redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {name: redact_value(value) for name, value in event.items()}
