"""How many records that cannot be read are too many, on topics that only Tocsin writes.

The workers count them here (the router's pipeline, the dispatchers' shard delivery, the ledger's projected table);
`ConsumerGroup` only carries out the ConsumptionStopped. One such record is set aside, and the next is read. Many mean that a
broken release writes them, or reads them: consumption stops before everything is set aside.
"""

from collections import deque
from typing import Final

from tocsin.kafka.errors import ConsumptionStopped

WINDOW: Final = 1_000
"""So many of the latest records count, at least: what happened long ago says nothing about the releases at work now."""
STRETCH: Final = 100
"""Records are forgotten by the hundred: that costs less than to remember each."""
LEAST: Final = 10
"""Fewer never stop anything: they are what one fault leaves behind, not a release that goes on making them."""
PERCENT: Final = 5
"""More than so many of 100 stop it. A broken release makes most of its records unreadable; one bad instance among twenty
makes 5 % of all, which does not stop the others, and two do."""


class InvalidRecordLimit:
    """Counts what one group reads. Costs a few additions a call, so it may be called for each record or each batch."""

    def __init__(self, *, group: str) -> None:
        self._group = group
        self._valid = 0
        self._invalid = 0
        self._stretches: deque[list[int]] = deque([[0, 0]])
        """[valid, invalid] of stretches of 100 records or of one larger batch, oldest first; each is forgotten whole."""

    def saw(self, *, valid: int = 0, invalid: int = 0) -> None:
        """Count records. Raises ConsumptionStopped when ten or more, and over 5 %, of the latest records are invalid."""
        self._valid += valid
        self._invalid += invalid
        newest = self._stretches[-1]
        newest[0] += valid
        newest[1] += invalid
        if sum(newest) >= STRETCH:
            self._stretches.append([0, 0])
            self._forget()
        seen = self._valid + self._invalid
        if invalid and self._invalid >= LEAST and self._invalid * 100 > seen * PERCENT:
            raise ConsumptionStopped(
                f"{self._invalid} of the last {seen} records that group {self._group} has read are invalid: a broken release "
                "writes or reads them; replace it, then start this service again."
            )

    def _forget(self) -> None:
        """Drop the oldest stretches as long as the others hold as many records as the window."""
        while self._valid + self._invalid - sum(self._stretches[0]) >= WINDOW:
            valid, invalid = self._stretches.popleft()
            self._valid -= valid
            self._invalid -= invalid
