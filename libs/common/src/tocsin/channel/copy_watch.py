"""Whether the copies of `stops` and `cancels` are young enough to hand over what may have been switched off or cancelled a moment ago.

A change holds for every hand-off later than 5 s after it was answered. So a hand-off of an optional category needs copies that hold
everything published until less than `MAX_AGE` ago. While one of them is older, optional messages wait and required ones go on. While nothing
is published, a copy stays young as long as a broker says where its topic ends: nobody has to write anything for that.
"""

import asyncio
from collections.abc import Mapping
from typing import Final, Protocol

from tocsin.observability import get_logger, metrics
from tocsin.runtime import Clock, Health, every

log = get_logger(__name__)

MAX_AGE: Final = 4.0
"""Seconds. The fifth is for the hand-off itself."""
LOOK: Final = 1.0
"""Seconds between two questions where the topics end."""
TOO_OLD: Final = "the copy of {copies} is too old to know what was switched off or cancelled: optional messages wait, required ones are sent"


class Age(Protocol):
    """What of `CopyAge` is used here."""

    async def ask(self) -> bool:
        """Ask where the topic ends; False when nobody answered."""
        ...

    def seconds(self) -> float:
        """How old the copy is."""
        ...


class CopyWatch:
    """`run` looks once a second; `fresh` is of the moment it is asked. `ages` has the copies by the names of their topics."""

    def __init__(self, *, ages: Mapping[str, Age], health: Health, clock: Clock) -> None:
        self._ages = ages
        self._clock = clock
        self._fresh_until = float("-inf")
        """A copy grows old no faster than time passes, so what is known once holds until then: a clock is all that a hand-off asks."""
        self._checks = {name: health.check(f"copy of {name}") for name in ages}
        self._shown = {name: metrics.copy_age_seconds.labels(health.service, name) for name in ages}
        self._turned = asyncio.Event()
        self._too_old: list[str] = []

    @property
    def fresh(self) -> bool:
        """Whether optional messages may be handed over."""
        return self._clock.monotonic() < self._fresh_until or max(self._measure().values()) < MAX_AGE

    def _measure(self) -> dict[str, float]:
        ages = {name: age.seconds() for name, age in self._ages.items()}
        self._fresh_until = self._clock.monotonic() + MAX_AGE - max(ages.values())
        return ages

    async def until_fresh(self) -> None:
        """Return when they may be."""
        while not self.fresh:
            self._turned.clear()
            await self._turned.wait()

    async def run(self, stop: asyncio.Event) -> None:
        """Keep the copies' ages known until `stop`."""
        await self.look()
        await every(LOOK, self.look, stop=stop)

    async def look(self) -> None:
        """Ask once, and tell what follows; a log line only where it changes."""
        await asyncio.gather(*(age.ask() for age in self._ages.values()))
        ages = self._measure()
        too_old = [name for name, age in ages.items() if age >= MAX_AGE]
        for name, age in ages.items():
            self._shown[name].set(age)
            if name in too_old:
                self._checks[name].set_not_ready(TOO_OLD.format(copies=name))
            else:
                self._checks[name].set_ready()
        if not too_old:
            self._turned.set()
        if bool(too_old) is not bool(self._too_old):
            sentence = (
                TOO_OLD.format(copies=" and ".join(too_old)) if too_old else "the copies are young again"
            )
            log.warning(sentence, seconds=round(max(ages.values()), 1))
        self._too_old = too_old
