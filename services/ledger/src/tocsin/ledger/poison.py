"""How many unreadable records are too many: on topics only we write, many mean a broken release."""

from collections import deque
from typing import Final

from tocsin.kafka import ConsumptionStopped

WINDOW: Final = 1_000
LEAST: Final = 10
SHARE: Final = 0.01


class PoisonShare:
    """Looks at batches until they make up a thousand records; a few bad ones never stop anything."""

    def __init__(self) -> None:
        self._latest: deque[tuple[int, int]] = deque()
        self._good = 0
        self._bad = 0

    def look(self, *, good: int, bad: int, group: str) -> None:
        """Count a batch. Raises ConsumptionStopped for ten or more bad records that are over one in a hundred."""
        self._latest.append((good, bad))
        self._good += good
        self._bad += bad
        while len(self._latest) > 1 and self._seen - sum(self._latest[0]) >= WINDOW:
            first_good, first_bad = self._latest.popleft()
            self._good -= first_good
            self._bad -= first_bad
        if self._bad >= LEAST and self._bad > SHARE * self._seen:
            raise ConsumptionStopped(
                f"{self._bad} of the last {self._seen} records of group {group} cannot be read: "
                "look for a broken release among their writers, or upgrade the ledger first."
            )

    @property
    def _seen(self) -> int:
        return self._good + self._bad
