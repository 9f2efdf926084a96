"""A limit on lines: what is away, or fails again and again, is said a few times a minute, and how often it was not said.

While a broker is away its client writes three sentences for each try of each partition, some 200 lines a second. They bury the one line that
matters and cost processor time when recovery needs it.

Two bounds hold, whatever happens. Each sentence is said a few times a minute. And no process writes more than `MOST` lines in any 60 s, of which the
last places are kept for what matters more: a flood of single changes leaves room for warnings, and warnings for errors. Below INFO, which production
does not write, nothing is bounded.
"""

import logging
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Final

from tocsin.observability import metrics
from tocsin.observability.logger import facts_of

WINDOW_SECONDS: Final = 60.0
OF_LIBRARIES: Final = 3
"""Lines of a library a window, for each sentence of its source, whatever its level."""
OF_OURS: Final = 20
"""Lines of ours a window, for each event of a logger, from warnings on."""
OF_CHANGES: Final = 40
"""Lines of ours a window, for each event of a logger, that tell of single changes: more, because each is another one."""
MOST: Final = 100
"""Lines of a process in any 60 s."""
_PLACES: Final = ((logging.ERROR, MOST), (logging.WARNING, 85), (logging.INFO, 60))
"""Of these, how many may have been written when a line of a level, or of a higher one, is still written."""
_OURS: Final = "tocsin."
_MOST_KEYS: Final = 1_000

_Key = tuple[str, int, str]
"""Logger, level, and the event; of a library, which may fill its sentences in itself, the line of its source."""


class LineLimit(logging.Filter):
    """Lets the first lines of each window pass, while the process has a place for them. The first line of a sentence that passes after others did not says how many as `suppressed`."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._windows: dict[_Key, _Window] = {}
        self._written: deque[float] = deque(maxlen=MOST)
        """When the last lines were written."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.INFO:
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
        if window.lines > _most_of(record) or not self._has_place(record.levelno, now):
            window.suppressed += 1
            metrics.log_lines_suppressed.inc()
            return False
        self._written.append(now)
        if window.suppressed:
            _say(record, window.suppressed)
            window.suppressed = 0
        return True

    def _has_place(self, level: int, now: float) -> bool:
        while self._written and now - self._written[0] >= WINDOW_SECONDS:
            self._written.popleft()
        places = next(places for least, places in _PLACES if level >= least)
        return len(self._written) < places


class _Window:
    __slots__ = ("lines", "since", "suppressed")

    def __init__(self, since: float) -> None:
        self.since = since
        self.lines = 0
        self.suppressed = 0


def _most_of(record: logging.LogRecord) -> int:
    """How many lines of its sentence a window has."""
    if not record.name.startswith(_OURS):
        return OF_LIBRARIES
    return OF_OURS if record.levelno >= logging.WARNING else OF_CHANGES


def _key(record: logging.LogRecord) -> _Key:
    if facts_of(record) is not None:
        return record.name, record.levelno, str(record.msg)
    return record.name, record.levelno, f"{record.pathname}:{record.lineno}"


def _say(record: logging.LogRecord, suppressed: int) -> None:
    facts = facts_of(record)
    (record.__dict__ if facts is None else facts)["suppressed"] = suppressed
