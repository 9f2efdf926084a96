"""A limit on lines that repeat: what is away, or fails again and again, is said a few times a minute, and how often it was not said.

While a broker is away its client writes three sentences for each try of each partition, some 200 lines a second. They bury the one line that
matters and cost processor time when recovery needs it.
"""

import logging
from collections.abc import Callable
from time import monotonic
from typing import Any, Final

from tocsin.observability import metrics

WINDOW_SECONDS: Final = 60.0
OF_LIBRARIES: Final = 3
"""Lines of a library a window, for each sentence of its source, whatever its level."""
OF_OURS: Final = 20
"""Lines of ours a window, for each event of a logger, from warnings on. Lines below tell of single changes, and are all written."""
_OURS: Final = "tocsin."
_MOST_KEYS: Final = 1_000

_Key = tuple[str, int, str]
"""Logger, level, and the event; of a library, which may fill its sentences in itself, the line of its source."""


class LineLimit(logging.Filter):
    """Lets the first lines of each window pass. The first line of a sentence that passes after others did not says how many as `suppressed`."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._windows: dict[_Key, _Window] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        ours = record.name.startswith(_OURS)
        if ours and record.levelno < logging.WARNING:
            return True
        now = self._clock()
        window = self._windows.get(key := _key(record))
        if window is None:
            if len(self._windows) >= _MOST_KEYS:
                self._windows.clear()
            window = self._windows[key] = _Window(now)
        if now - window.since >= WINDOW_SECONDS:
            window.since, window.lines = now, 0
        window.lines += 1
        if window.lines > (OF_OURS if ours else OF_LIBRARIES):
            window.suppressed += 1
            metrics.log_lines_suppressed.inc()
            return False
        if window.suppressed:
            _say(record, window.suppressed)
            window.suppressed = 0
        return True


class _Window:
    __slots__ = ("lines", "since", "suppressed")

    def __init__(self, since: float) -> None:
        self.since = since
        self.lines = 0
        self.suppressed = 0


def _key(record: logging.LogRecord) -> _Key:
    said: Any = record.msg
    if isinstance(said, dict):  # structlog's
        return record.name, record.levelno, str(said.get("event", ""))
    return record.name, record.levelno, f"{record.pathname}:{record.lineno}"


def _say(record: logging.LogRecord, suppressed: int) -> None:
    if isinstance(record.msg, dict):
        record.msg = record.msg | {"suppressed": suppressed}
    else:
        record.__dict__["suppressed"] = suppressed
