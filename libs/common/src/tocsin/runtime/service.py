"""The life of a service process, from its first socket to its exit code.

    HTTP answers → components open, in order → they run, each watched → stop → runs end → the API ends → close, in reverse → probes end
    → the last spans are exported

| how it ends | exit code |
|---|---|
| SIGTERM or SIGINT, everything finished within the bound | 0 |
| anything unexpected: `open` or `run` failed, `run` returned early, or HTTP ended | 1 |
| settings that make no sense (see `load_settings`) | 2 |
| a person must act (`OperatorError`): the log has one sentence, without a traceback | 3 |
| errors that all name an exit code of their own: what it held became another process's too often, or while it was to stop (`OWNERSHIP_LOST`) | 4 |
| a `run` or `close` took longer than the bound, and nothing had failed before | 5 |
| a second signal | 128 + its number, at once |

`ServiceHalted` does not end the process, for the next one would halt for the same reason: all runs end, the process stays
unready with the sentence and answers HTTP until it is told to stop. Then its exit code is 3.

Of a failure, the first is left as a line in `TERMINATION_LOG`; a second signal leaves none. Each end but that of settings that make no sense is noted
for the process that comes next (`exit_note`).
"""

import asyncio
import gc
import os
import signal
from collections.abc import Callable, Sequence
from time import time
from typing import Any

import uvloop

from tocsin.observability import get_logger, metrics, shutdown_tracing
from tocsin.runtime.bounds import CLOSING, LAST_SPANS
from tocsin.runtime.clock import SystemClock
from tocsin.runtime.component import Component
from tocsin.runtime.errors import ExitCode, OperatorError, ServiceHalted, exit_code_of, find_cause, one_line
from tocsin.runtime.health import Health
from tocsin.runtime.http import HttpServer
from tocsin.runtime.last_words import LastWords
from tocsin.runtime.loop_watch import watch_loop
from tocsin.runtime.readiness_lines import ReadinessLines
from tocsin.runtime.tasks import first_of
from tocsin.runtime.waves import seconds_to_wave

log = get_logger(__name__)

CLOSE_AT_LEAST = 1.0
"""Seconds for each component's `close`, even when those before it have used up all of `CLOSING`."""


def run_service(
    *,
    name: str,
    servers: Sequence[HttpServer],
    components: Sequence[Component],
    health: Health,
    shutdown_timeout: float,
    last_words: LastWords,
    wave: float = 0,
) -> int:
    """Run a service until it is told to stop or a part of it ends; return the exit code.

    The `servers` answer from before the first component opens. The first, which answers probes, ends last.

    `shutdown_timeout`: seconds from the signal to the end of the last component's `run`; requests being answered, each
    `close`, and the last spans may then take `CLOSING` more.

    `wave`: runs begin, and a signal stops them, only at these moments (`waves`); until then everything works on.
    """
    life = _Life(
        name=name,
        servers=servers,
        components=components,
        health=health,
        shutdown_timeout=shutdown_timeout,
        leave_at_once=last_words.leave_at_once,
        wave=wave,
    )
    code: int = ExitCode.FAILED
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            code = runner.run(life.live())
        return code
    finally:
        last_words.leave(code, life.last_words)
        if not shutdown_tracing(min(LAST_SPANS, life.seconds_left)):
            log.warning("the last spans were given up: the collector has not taken them in time")
        log.info("ended", exit_code=int(code))


class _Life:
    def __init__(
        self,
        *,
        name: str,
        servers: Sequence[HttpServer],
        components: Sequence[Component],
        health: Health,
        shutdown_timeout: float,
        leave_at_once: Callable[[], None],
        wave: float,
    ) -> None:
        self._name = name
        self._leave_at_once = leave_at_once
        self._servers = servers
        self._components = components
        self._begun: list[Component] = []
        self._check = health.check("service")
        self._health = health
        self._bound = shutdown_timeout
        self._wave = wave
        self._working = False
        self._told = asyncio.Event()
        self._stop = asyncio.Event()
        self._deadline = float("inf")
        self._halted: ServiceHalted | None = None
        self._failed: set[str] = set()
        """Components of which it was said that they failed."""
        self._code = ExitCode.FINISHED
        self.last_words = ""
        """What failed first, in one line; empty where nothing did."""
        self.seconds_left = 0.0
        """Of its stop, once it has ended."""

    async def live(self) -> int:
        self._listen_to_signals()
        asyncio.get_running_loop().set_exception_handler(_log_what_nobody_looked_at)
        watching = asyncio.create_task(watch_loop(health=self._health), name="loop watch")
        probes, *others = self._servers
        try:
            serving = await self._listen()
            if serving and await self._open():
                await self._run([*serving, watching])
            if self._halted:
                await self._stay(serving, self._halted)
        finally:
            self._begin_to_stop()
            for server in others:
                await self._end(server.name, server.finish())
            for component in reversed(self._begun):
                await self._end(component.name, component.close())
            await self._end(probes.name, probes.finish())
            watching.cancel()
            self.seconds_left = max(0.0, self._remaining())
        return self._code

    async def _listen(self) -> list[asyncio.Task[None]]:
        """The tasks that serve; none where an address cannot be listened on."""
        serving: list[asyncio.Task[None]] = []
        for server in self._servers:
            try:
                serving.append(await server.start())
            except OperatorError as error:
                self._fail("could not start", error, component=server.name)
                return []
        return serving

    async def _open(self) -> bool:
        """Whether all components opened; false when told to stop meanwhile, or when one failed."""
        opening = asyncio.create_task(self._open_all(), name="open")
        stopped = asyncio.create_task(self._stop.wait(), name="stop")
        await asyncio.wait([opening, stopped], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        opening.cancel()
        await asyncio.wait([opening])
        if opening.cancelled():
            return False
        if error := opening.exception():
            self._fail("could not open", error, component=self._begun[-1].name if self._begun else self._name)
            return False
        return not self._stop.is_set()

    async def _open_all(self) -> None:
        for component in self._components:
            self._begun.append(component)
            self._check.set_not_ready(f"opening {component.name}")
            await component.open()
            log.info("opened", component=component.name)

    async def _run(self, beside: list[asyncio.Task[None]]) -> None:
        """Until told to stop, or until a component or one of the tasks `beside` them ends."""
        if self._wave:
            self._check.set_not_ready("waits a moment, to begin together with others that start now")
            await first_of(self._stop.wait(), asyncio.sleep(seconds_to_wave(self._wave, now=time())))
        if self._stop.is_set():
            return
        runs = [
            asyncio.create_task(component.run(self._stop), name=component.name)
            for component in self._components
        ]
        self._working = True
        self._check.set_ready()
        gc.collect()
        gc.freeze()  # what start-up made stays for ever; collections no longer look at it (tens of milliseconds saved)
        metrics.opened_at.labels(self._health.service).set(time())
        log.info("ready to work", components=[component.name for component in self._components])
        telling = asyncio.create_task(
            ReadinessLines(self._health, clock=SystemClock()).run(), name="readiness lines"
        )
        stopped = asyncio.create_task(self._stop.wait(), name="stop")
        watched = [*runs, *beside, telling]
        await asyncio.wait([*watched, stopped], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not self._stop.is_set():
            for task in watched:
                self._note_early_end(task)
        telling.cancel()
        self._begin_to_stop()
        await self._drain(runs)

    async def _stay(self, serving: list[asyncio.Task[None]], halted: ServiceHalted) -> None:
        """Nothing works any more; answer HTTP, so that readiness says why, until told to stop."""
        self._check.set_not_ready(str(halted))  # also where nothing had begun to run
        log.error("halted until it is told to stop", reason=str(halted))
        told = asyncio.create_task(self._told.wait(), name="told")
        await asyncio.wait([*serving, told], return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        self._deadline = asyncio.get_running_loop().time() + CLOSING

    def _note_early_end(self, task: asyncio.Task[None]) -> None:
        if not task.done():
            return
        if task.cancelled():
            self._fail("ended early", RuntimeError("it was cancelled"), component=task.get_name())
        elif error := task.exception():
            self._fail("failed", error, component=task.get_name())
        else:
            self._fail(
                "ended early",
                RuntimeError("it returned before it was told to stop"),
                component=task.get_name(),
            )

    async def _drain(self, runs: list[asyncio.Task[None]]) -> None:
        """Wait for the runs until the deadline, saying for which; cancel what is left."""
        pending = {task for task in runs if not task.done()}
        while pending and self._remaining() > 0:
            log.info(
                "waiting for",
                components=sorted(task.get_name() for task in pending),
                seconds_left=round(self._remaining(), 1),
            )
            _, pending = await asyncio.wait(pending, timeout=min(5.0, self._remaining()))
        for task in pending:
            self._fail("did not finish in time", None, component=task.get_name())
            task.cancel()
        self._deadline += CLOSING
        if pending:
            await asyncio.wait(pending, timeout=CLOSE_AT_LEAST)
        for task in runs:
            name = task.get_name()
            if (
                task.done()
                and not task.cancelled()
                and name not in self._failed
                and (error := task.exception())
            ):
                self._fail("failed while stopping", error, component=name)

    async def _end(self, name: str, ending: Any) -> None:
        try:
            await asyncio.wait_for(ending, timeout=max(CLOSE_AT_LEAST, self._remaining()))
        except TimeoutError:
            self._fail("did not close in time", None, component=name)
        except Exception as error:  # noqa: BLE001 - the others must still be closed; the exit code tells
            self._fail("failed while closing", error, component=name)
        else:
            log.info("closed", component=name)

    def _fail(self, what: str, error: BaseException | None, *, component: str) -> None:
        """Say what failed: one sentence where a person must act, a traceback beside it for everything else."""
        self._failed.add(component)
        if operator := find_cause(error, OperatorError):
            self._code = ExitCode.OPERATOR_MUST_ACT
            self._halted = self._halted or find_cause(error, ServiceHalted)
            self._health.halted = str(self._halted) if self._halted else None
            log.error(what, component=component, reason=str(operator))
            self._note_first(what, str(operator), component)
            # what failed beside it in the same task group is not to be lost
            error = error.split(OperatorError)[1] if isinstance(error, BaseExceptionGroup) else None
            if error is None:
                return
        self._code = self._code or (ExitCode.TOO_SLOW if error is None else exit_code_of(error))
        reason = "it took too long" if error is None else one_line(error)
        log.error(what, component=component, reason=reason, exc_info=error)
        self._note_first(what, reason, component)

    def _note_first(self, what: str, reason: str, component: str) -> None:
        self.last_words = self.last_words or f"{component} {what}: {reason}"

    def _remaining(self) -> float:
        return self._deadline - asyncio.get_running_loop().time()

    def _begin_to_stop(self) -> None:
        if self._deadline == float("inf"):
            self._deadline = asyncio.get_running_loop().time() + self._bound
        self._check.set_not_ready(str(self._halted or "stopping"))
        self._stop.set()

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal, number)

    def _on_signal(self, number: signal.Signals) -> None:
        if self._told.is_set():
            log.warning("second signal, ending at once", signal=number.name)
            self._leave_at_once()
            os._exit(128 + number)
        works_on = seconds_to_wave(self._wave, now=time()) if self._working else 0.0
        log.info("told to stop", signal=number.name, works_on=round(works_on, 1), seconds=self._bound)
        self._told.set()
        asyncio.get_running_loop().call_later(works_on, self._begin_to_stop)


def _log_what_nobody_looked_at(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """As asyncio's own, without the task: its text holds the error's, which may repeat a value."""
    log.error(context["message"], exc_info=context.get("exception"))
