"""Names that others make up, as values of a label: those that come often, and only so many. All others are `other`.

A label's value costs memory, here and in Prometheus. Whoever sends a new name each time must not use them up: a name is shown once it has
come `AFTER` times, and at most `MOST` names are. When all places are taken, one that has not come for a day gives its place away.

Its series ends then; if it is shown again, it begins at 0. Prometheus takes that for a restart of the process, as with every counter: `rate`
and `increase` count nothing twice, and windows of up to a day have nothing of it left to lose.
"""

from collections.abc import Callable
from time import monotonic
from typing import Final

from tocsin.observability.redaction import redact

MOST: Final = 200
AFTER: Final = 10
OTHER: Final = "other"
KEPT: Final = 86_400.0
"""Seconds for which a name that does not come keeps its place."""
_LONGEST: Final = 128
"""Characters of a name that is shown."""
_CANDIDATES: Final = 1_000
"""Names that are counted until they have come often. Once there are more, all counts begin anew."""


class OftenSeen:
    """The names seen so far by one process. A name that looks like an address or a key is never shown."""

    def __init__(
        self,
        *,
        most: int = MOST,
        after: int = AFTER,
        forget: Callable[[str], object] = lambda _: None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """`forget` is told each name that gives its place away."""
        self._most = most
        self._after = after
        self._forget = forget
        self._clock = clock
        self._shown: dict[str, float] = {}
        """When each came last; the one that has not come for longest stands first."""
        self._times: dict[str, int] = {}

    def label_of(self, name: str) -> str:
        """The name has come: it, or `other`."""
        now = self._clock()
        if self._shown.pop(name, None) is not None:
            self._shown[name] = now
            return name
        if len(name) > _LONGEST or not self._has_room(now):
            return OTHER
        times = self._times.pop(name, 0) + 1
        if times >= self._after and redact(name) == name:
            self._make_room()
            self._shown[name] = now
            return name
        if len(self._times) >= _CANDIDATES:
            self._times.clear()
        self._times[name] = times
        return OTHER

    def _has_room(self, now: float) -> bool:
        return len(self._shown) < self._most or next(iter(self._shown.values())) <= now - KEPT

    def _make_room(self) -> None:
        if len(self._shown) >= self._most:
            gone = next(iter(self._shown))
            del self._shown[gone]
            self._forget(gone)
