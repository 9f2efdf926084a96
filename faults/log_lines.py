"""How much the services logged: nobody reads more than a hundred lines a minute."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

MOST = 100
"""Lines of one process in any minute. One that is started again is another."""
_MINUTE = 60.0


class _Line(msgspec.Struct):
    timestamp: datetime
    level: str = ""
    reason: str = ""


_read = msgspec.json.Decoder(_Line).decode


def sizes(logs: Iterable[Path]) -> dict[Path, int]:
    """Where each file ends now."""
    return {log: log.stat().st_size for log in logs if log.exists()}


def busiest_minutes(logs: Mapping[Path, Sequence[float]], begun: Mapping[Path, int]) -> dict[str, int]:
    """By instance: the most lines that one of its processes logged within one minute, from `begun` on. `logs` has for each file when
    processes that wrote it were started, in seconds since 1970."""
    return {
        log.stem: max(
            (busiest(life) for life in _lives(_times(log.read_bytes()[begun.get(log, 0) :]), starts)),
            default=0,
        )
        for log, starts in logs.items()
        if log.exists()
    }


def _lives(times: Sequence[float], starts: Sequence[float]) -> Iterable[list[float]]:
    lives: dict[int, list[float]] = {}
    for moment in times:
        lives.setdefault(bisect_right(starts, moment), []).append(moment)
    return lives.values()


def last_error(log: Path, until: float) -> str:
    """The reason that the last error up to that moment gives: why the process ended then. Empty where there is none."""
    for text in reversed(log.read_bytes().splitlines()):
        try:
            line = _read(text)
        except msgspec.DecodeError:
            continue
        if line.level == "error" and line.reason and line.timestamp.timestamp() <= until:
            return line.reason
    return ""


def busiest(times: list[float]) -> int:
    """The most of these moments that lie within one minute."""
    most, first = 0, 0
    for last, moment in enumerate(times):
        while times[first] <= moment - _MINUTE:
            first += 1
        most = max(most, last - first + 1)
    return most


def _times(text: bytes) -> list[float]:
    """A line that is no JSON (the interpreter's own words) counts with the moment of the one before."""
    times: list[float] = []
    for line in text.splitlines():
        try:
            times.append(_read(line).timestamp.timestamp())
        except msgspec.DecodeError:
            times.append(times[-1] if times else 0.0)
    return times
