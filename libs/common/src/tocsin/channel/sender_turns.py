"""Senders that have a rate each: one that has sent enough for now is passed over until its rate allows another message."""

import asyncio
from collections.abc import Callable

from tocsin.channel.far_ends import FarEndPlaces
from tocsin.channel.rates import SenderRates


class SenderTurns:
    """Shuts and opens the senders' `lines`. `on_turn` is called when a message of one of them may begin."""

    def __init__(self, rates: SenderRates, lines: FarEndPlaces, *, on_turn: Callable[[], None]) -> None:
        self._rates = rates
        self._lines = lines
        self._timers: dict[str | None, asyncio.TimerHandle] = {}
        """By sender, until its rate allows another message."""
        self.on_turn = on_turn

    def take(self, sender: str | None, now: float) -> None:
        """A message of this sender, whose turn it was, goes out."""
        seconds = self._rates.take(sender, now)
        if seconds:
            self._lines.shut(sender)
            self._timers[sender] = asyncio.get_running_loop().call_later(seconds, self._open, sender)

    def give_back(self, sender: str | None, now: float) -> None:
        """It did not go out: the next one may, at once."""
        self._rates.give_back(sender, now)
        self._open(sender)

    def _open(self, sender: str | None) -> None:
        timer = self._timers.pop(sender, None)
        if timer is not None:
            timer.cancel()  # one of an earlier message would open the line too early for a later one
            self._lines.open_again(sender)
            self.on_turn()
