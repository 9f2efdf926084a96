"""Whether the copy of `stops` is young enough to hand over what a recipient may have switched off a moment ago.

A change holds for every hand-off later than 5 s after it was answered. So a hand-off of an optional category needs a copy that holds
everything published until less than `MAX_AGE` ago. With an older copy, optional messages wait and required ones go on. While nothing
is published, the copy stays young as long as a broker says where the topic ends: nobody has to write anything for that.
"""

import asyncio
from typing import Final, Protocol

from tocsin.observability import get_logger, metrics
from tocsin.runtime import Clock, Health, every

log = get_logger(__name__)

MAX_AGE: Final = 4.0
"""Seconds. The fifth is for the hand-off itself."""
LOOK: Final = 1.0
"""Seconds between two questions where the topic ends."""
TOO_OLD: Final = "the copy of stops is too old to know what was switched off: optional messages wait, required ones are sent"


class Age(Protocol):
    """What of `CopyAge` is used here."""

    async def ask(self) -> bool:
        """Ask where the topic ends; False when nobody answered."""
        ...

    def seconds(self) -> float:
        """How old the copy is."""
        ...


class CopyWatch:
    """`run` looks once a second; `fresh` is of the moment it is asked."""

    def __init__(self, *, age: Age, health: Health, clock: Clock) -> None:
        self._age = age
        self._clock = clock
        self._fresh_until = float("-inf")
        """A copy grows old no faster than time passes, so what is known once holds until then: a clock is all that a hand-off asks."""
        self._check = health.check("copy of stops")
        self._shown = metrics.copy_age_seconds.labels(health.service, "stops")
        self._turned = asyncio.Event()
        self._was_fresh = True

    @property
    def fresh(self) -> bool:
        """Whether optional messages may be handed over."""
        return self._clock.monotonic() < self._fresh_until or self._measure() < MAX_AGE

    def _measure(self) -> float:
        age = self._age.seconds()
        self._fresh_until = self._clock.monotonic() + MAX_AGE - age
        return age

    async def until_fresh(self) -> None:
        """Return when they may be."""
        while not self.fresh:
            self._turned.clear()
            await self._turned.wait()

    async def run(self, stop: asyncio.Event) -> None:
        """Keep the copy's age known until `stop`."""
        await self.look()
        await every(LOOK, self.look, stop=stop)

    async def look(self) -> None:
        """Ask once, and tell what follows; a log line only where it changes."""
        await self._age.ask()
        age = self._measure()
        fresh = age < MAX_AGE
        self._shown.set(age)
        if fresh:
            self._check.set_ready()
            self._turned.set()
        else:
            self._check.set_not_ready(TOO_OLD)
        if fresh is not self._was_fresh:
            self._was_fresh = fresh
            log.warning("copy of stops is young again" if fresh else TOO_OLD, seconds=round(age, 1))
