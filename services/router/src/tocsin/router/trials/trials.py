"""Trials as handlers ask for them: one at a time a tenant and mode, and a few children for all."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from time import perf_counter
from typing import Any, Final

from tocsin.contracts.codec import encode
from tocsin.observability import metrics
from tocsin.router.trials.process import TrialEnded, TrialNotStarted, TrialProcess
from tocsin.web import Fault, Problem, codes

QUEUE_SECONDS: Final = 10.0
"""How long a trial waits for those of other tenants."""
WARM_UP_AFTER: Final = 5.0
CHILDREN: Final = 2
"""For short programs, and as many for long ones: so many tenants can have something tried at the same moment."""
LONG_BYTES: Final = 8 * 1024
"""From here on a program is a long one. Its child stands back for all others: it may work for a quarter of a second, and others wait for a processor."""
LONG_NICE: Final = 15


class Trials:
    """Runs programs of tenants in children: long programs in children of their own. All but the last start soon after the process
    itself, that one when it is needed. Each takes some 50 MB."""

    def __init__(self, processes: Sequence[TrialProcess] | None = None) -> None:
        """`processes`: in the place of all these."""
        metrics.begin_at_zero(metrics.trials, ("answered", "exceeded", "busy", "not_started"))
        self._short = _Children(processes or [TrialProcess() for _ in range(CHILDREN)])
        self._long = (
            self._short if processes else _Children([TrialProcess(nice=LONG_NICE) for _ in range(CHILDREN)])
        )
        self._holders: set[tuple[str, bool]] = set()
        """Tenant, and whether the request has a test key."""

    @asynccontextmanager
    async def turn(self, tenant: str, *, test: bool) -> AsyncIterator["Turn"]:
        """A turn of the tenant's, in which it may run programs one after the other. It begins with the first, if there is one.

        Requests with a test key have turns of their own: they never keep a live one waiting.
        """
        holder = tenant, test
        turn = Turn(self, holder)
        try:
            yield turn
        finally:
            if turn.begun:
                self._holders.discard(holder)

    def begin(self, holder: tuple[str, bool]) -> None:
        """The tenant has a turn now in this mode, live or test. Raises Problem 429 while it has another."""
        if holder in self._holders:
            raise _busy("Another request of yours is being tried. Repeat this one when that one is answered.")
        self._holders.add(holder)

    async def run(self, program: str, pointer: str, arguments: dict[str, Any]) -> Any:
        """What the program yields, as soon as a child is free. Raises Problem, as `Turn.run` says."""
        children = self._long if len(encode(arguments)) > LONG_BYTES else self._short
        try:
            process = await asyncio.wait_for(children.free.get(), QUEUE_SECONDS)
        except TimeoutError:
            raise _busy("Requests of others are being tried. Repeat this one.") from None
        began, outcome = perf_counter(), "answered"
        try:
            running = asyncio.create_task(asyncio.to_thread(process.run, program, arguments))
            running.add_done_callback(partial(children.ended, process))
            # Who leaves does not end it: the child is free when it has ended.
            return await asyncio.shield(running)
        except TrialEnded as ended:
            outcome = "exceeded"
            raise _exceeded(pointer, str(ended)) from None
        except TrialNotStarted:
            outcome = "not_started"
            raise Problem(
                codes.NOT_READY,
                "The process that tries what you write did not start. Repeat the request; nothing was saved.",
                headers={"retry-after": "1"},
            ) from None
        finally:
            metrics.trials.labels(outcome).inc()
            metrics.trial_seconds.observe(perf_counter() - began)

    async def keep_warm(self, stop: asyncio.Event) -> None:
        """Start the children for short programs and one for long ones, so that a tenant's first trial waits for no start, also beside another's that takes long.

        A moment after the process itself has started, which is not to be slowed down. Returns once `stop` is set.
        """
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), WARM_UP_AFTER)
        for process in [*self._short.all, self._long.all[0]]:
            if not stop.is_set():
                with contextlib.suppress(TrialNotStarted):  # the first trial tries again, and says so
                    await asyncio.to_thread(process.start)
        await stop.wait()

    async def close(self) -> None:
        """End the children."""
        for process in {*self._short.all, *self._long.all}:
            await asyncio.to_thread(process.close)


class _Children:
    """Children of one kind."""

    def __init__(self, processes: Sequence[TrialProcess]) -> None:
        self.all = processes
        self.free: asyncio.LifoQueue[TrialProcess] = (
            asyncio.LifoQueue()
        )  # so that one that runs is taken first
        for process in reversed(processes):
            self.free.put_nowait(process)

    def ended(self, process: TrialProcess, running: "asyncio.Task[Any]") -> None:
        """The child is free again; what it ended with was told to who waited, if anybody did."""
        self.free.put_nowait(process)
        if not running.cancelled():
            running.exception()


class Turn:
    """A tenant's turn: begins with the first program, and ends with the request."""

    def __init__(self, trials: Trials, holder: tuple[str, bool]) -> None:
        self._trials = trials
        self._holder = holder
        self.begun = False

    async def run(self, program: str, *, pointer: str, **arguments: Any) -> Any:
        """What the program of `trial_child.programs` yields.

        Raises Problem: 429 `trial_busy` while the tenant has another turn, or others take long; 422 `trial_exceeded` with the pointer when
        the program exceeds the limits or ends the child.
        """
        if not self.begun:
            self._trials.begin(self._holder)
            self.begun = True
        return await self._trials.run(program, pointer, arguments)


def _busy(detail: str) -> Problem:
    metrics.trials.labels("busy").inc()
    return Problem(codes.TRIAL_BUSY, detail, headers={"retry-after": "1"})


def _exceeded(pointer: str, what: str) -> Problem:
    detail = f"This {what}. Make it smaller or simpler; nothing was saved"
    return Problem(
        codes.TRIAL_EXCEEDED,
        "What you wrote was tried in a process of its own and exceeded its limits; `errors` says where.",
        errors=[Fault(pointer=pointer, code="trial_exceeded", detail=detail)],
    )
