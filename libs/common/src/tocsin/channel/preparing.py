"""The deliveries of one shard that are being prepared: each in a task of its own, in no runner's hands and in no recipient's turn.

What is prepared takes memory, so it must not wait for long at a provider that does not work: after `HELD` seconds in a provider's queue it is
put off, and others have its room. What waits for room is put off after `PATIENCE` seconds, if the shard can read nothing else meanwhile.
"""

import asyncio
import random
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Final

from tocsin.channel.answers import NotSent, Rejected
from tocsin.channel.attempts import Attempts
from tocsin.channel.deferral import Defer
from tocsin.channel.delivery import Delivery
from tocsin.channel.preparation import Preparation
from tocsin.contracts.vocabulary import Reason
from tocsin.observability import get_logger
from tocsin.observability.unlocked_metrics import Gauge
from tocsin.runtime import Clock

log = get_logger(__name__)

HELD: Final = 30.0
PATIENCE: Final = 30.0
PUT_OFF: Final = 60.0
"""Seconds at most for which it is put off, so that it comes back as the job that it was; half of them at least."""


class Preparing:
    """`on_end` is called with each delivery that is prepared, or whose `unfit` says why it is not. It raises nothing. `put_off` is called with
    one that is prepared and has waited too long at its provider; it says whether it took it out of the queue. `shown` counts what is being
    prepared."""

    def __init__(
        self,
        preparation: Preparation,
        *,
        attempts: Attempts,
        clock: Clock,
        shown: Gauge,
        on_end: Callable[[Delivery], None],
        on_error: Callable[[BaseException], None],
        put_off: Callable[[Delivery, float], bool],
    ) -> None:
        self._preparation = preparation
        self._attempts = attempts
        self._clock = clock
        self._shown = shown
        self._on_end = on_end
        self._on_error = on_error
        self._put_off = put_off
        self._tasks: dict[Delivery, asyncio.Task[None]] = {}
        self._timers: dict[Delivery, asyncio.TimerHandle] = {}

    def begin(self, delivery: Delivery) -> bool:
        """Whether it is being prepared now: `on_end` tells its end. What would not be sent anyway needs nothing."""
        if not self._preparation.needed_by(delivery.job) or self._attempts.guard(delivery) is not None:
            return False
        self._shown.inc()
        task = asyncio.create_task(self._prepare(delivery), name="prepare a message")
        self._tasks[delivery] = task
        task.add_done_callback(self._note_end)
        self._timers[delivery] = asyncio.get_running_loop().call_later(PATIENCE, self._impatient, delivery)
        return True

    def release(self, delivery: Delivery) -> None:
        """The delivery needs it no longer."""
        if delivery.prepared is not None:
            self._stop_timer(delivery)
            delivery.prepared.release()
            delivery.prepared = None

    def release_all(self) -> None:
        """No delivery needs anything any more, also of those that wait behind others of their recipient."""
        for delivery in list(self._timers):
            self.release(delivery)

    def drop(self) -> tuple[list[Delivery], Iterable["asyncio.Task[None]"]]:
        """Those that are not prepared yet; the tasks, which end soon."""
        dropped = self._tasks
        self._tasks = {}
        for delivery, task in dropped.items():
            self._stop_timer(delivery)
            task.cancel()
        return list(dropped), dropped.values()

    def _note_end(self, task: "asyncio.Task[None]") -> None:
        self._shown.dec()
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_error(error)

    async def _prepare(self, delivery: Delivery) -> None:
        began = self._clock.monotonic()
        try:
            got = await self._preparation.prepare(delivery.job)
        except Exception as error:  # noqa: BLE001 - one message's fault must not stop those of everybody
            log.warning(
                "preparing a message failed", delivery=delivery.job.delivery_id, error=type(error).__name__
            )
            got = NotSent(
                reason=Reason.ATTACHMENT_UNREACHABLE, detail="Its attachments could not be prepared."
            )
        self._tasks.pop(delivery, None)
        self._stop_timer(delivery)
        if isinstance(got, NotSent | Rejected):
            delivery.unfit = got
            delivery.preparing_took = self._clock.monotonic() - began
        else:
            delivery.prepared = got
            self._hold(delivery)
        self._on_end(delivery)

    def _hold(self, delivery: Delivery) -> None:
        self._timers[delivery] = asyncio.get_running_loop().call_later(HELD, self._held_for_long, delivery)

    def _held_for_long(self, delivery: Delivery) -> None:
        """It waits at its provider, or behind its recipient's; or it is in a runner's hands, or waits for its next attempt, which ends soon."""
        seconds = _pause()
        if self._expires_in(delivery) <= seconds or not self._put_off(delivery, seconds):
            self._hold(delivery)

    def _impatient(self, delivery: Delivery) -> None:
        """It has no room yet, or its file drips."""
        seconds = _pause()
        if self._expires_in(delivery) <= seconds or not delivery.carrier.wants_room:
            self._timers[delivery] = asyncio.get_running_loop().call_later(
                PATIENCE, self._impatient, delivery
            )
            return
        self._tasks.pop(delivery).cancel()
        del self._timers[delivery]
        delivery.unfit = Defer(due=self._clock.now() + timedelta(seconds=seconds), reason=Reason.SET_ASIDE)
        self._on_end(delivery)

    def _expires_in(self, delivery: Delivery) -> float:
        return (delivery.job.expires_at - self._clock.now()).total_seconds()

    def _stop_timer(self, delivery: Delivery) -> None:
        if (timer := self._timers.pop(delivery, None)) is not None:
            timer.cancel()


def _pause() -> float:
    """Random, so that what was put off together does not come back together."""
    return PUT_OFF * (0.5 + random.random() / 2)
