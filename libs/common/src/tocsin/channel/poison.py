"""Unreadable records on a topic that only Tocsin writes: one is set aside, many mean a broken release."""

from collections import deque

from tocsin.kafka import ConsumptionStopped


class TooMuchPoison(ConsumptionStopped):
    """More than the share of the latest records could not be read. Consumption stops and the offsets stay where they are."""


class PoisonGuard:
    """Raises once more than `share` of the last `window` records were bad; never before `least` bad ones."""

    def __init__(self, *, window: int = 100, share: float = 0.1, least: int = 5) -> None:
        self._latest: deque[bool] = deque(maxlen=window)
        self._bad = 0
        self._share = share
        self._least = least

    def good(self) -> None:
        """A record was read."""
        if self._bad:
            self._note(bad=False)

    def bad(self, *, what: str) -> None:
        """A record could not be read; `what` names them in the error's sentence."""
        self._note(bad=True)
        if self._bad >= self._least and self._bad > self._share * (self._latest.maxlen or 1):
            raise TooMuchPoison(
                f"{self._bad} of the last {len(self._latest)} {what} could not be read: replace the release."
            )

    def _note(self, *, bad: bool) -> None:
        if len(self._latest) == self._latest.maxlen:
            self._bad -= self._latest[0]
        self._latest.append(bad)
        self._bad += bad
