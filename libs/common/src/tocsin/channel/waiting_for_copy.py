"""Optional messages of one shard that wait until the copies of `stops` and `cancels` are young enough (see `copy_watch`)."""

import asyncio

from tocsin.channel.copy_watch import CopyWatch
from tocsin.channel.delivery import Delivery
from tocsin.observability.unlocked_metrics import Gauge


class WaitingForCopy:
    """They wait in the order in which they came, and hold no place and no recipient's order. `shown` counts them."""

    def __init__(self, *, copy: CopyWatch, shown: Gauge) -> None:
        self._copy = copy
        self._shown = shown
        self._waiting: list[Delivery] = []
        self._came = asyncio.Event()

    @property
    def may_pass(self) -> bool:
        """Whether an optional message may go on: also not while others wait, which it would overtake. The copy may be young for up to a
        second before `young` returns."""
        return not self._waiting and self._copy.fresh

    def add(self, delivery: Delivery) -> None:
        """This one waits, too."""
        self._waiting.append(delivery)
        self._shown.inc()
        self._came.set()

    async def young(self) -> list[Delivery]:
        """Those that waited, once there are some and the copy is young enough; they wait no more."""
        await self._came.wait()
        await self._copy.until_fresh()
        return self.drop()

    def drop(self) -> list[Delivery]:
        """All that wait; they wait no more."""
        dropped, self._waiting = self._waiting, []
        self._came.clear()
        self._shown.dec(len(dropped))
        return dropped
