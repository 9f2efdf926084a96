"""Names that others make up, as values of a label: those that come often, and only so many. All others are `other`.

A label's value costs memory for as long as the process lives, here and in Prometheus. Whoever sends a new name each time must not use them
up: a name is shown once it has come `AFTER` times, and at most `MOST` names are.
"""

from typing import Final

from tocsin.observability.redaction import redact

MOST: Final = 200
AFTER: Final = 10
OTHER: Final = "other"
_LONGEST: Final = 128
"""Characters of a name that is shown."""
_CANDIDATES: Final = 1_000
"""Names that are counted until they have come often. Once there are more, all counts begin anew."""


class OftenSeen:
    """The names seen so far by one process. A name that looks like an address or a key is never shown."""

    def __init__(self, *, most: int = MOST, after: int = AFTER) -> None:
        self._most = most
        self._after = after
        self._shown: set[str] = set()
        self._times: dict[str, int] = {}

    def label_of(self, name: str) -> str:
        """The name has come: it, or `other`."""
        if name in self._shown:
            return name
        if len(self._shown) >= self._most or len(name) > _LONGEST:
            return OTHER
        times = self._times.pop(name, 0) + 1
        if times >= self._after and redact(name) == name:
            self._shown.add(name)
            return name
        if len(self._times) >= _CANDIDATES:
            self._times.clear()
        self._times[name] = times
        return OTHER
