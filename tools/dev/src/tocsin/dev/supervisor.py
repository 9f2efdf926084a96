"""Keeps the stack's processes alive: starts them, starts again what dies, ends them in reverse."""

import asyncio
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tocsin.dev.processes import end

LOOK_EVERY = 0.2  # seconds between two looks at the processes
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0  # seconds before a start; doubled when it died young
GIVE_UP_AFTER = 3  # deaths in a row
YOUNG = 20.0  # seconds of life below which a death counts as a failed start


@dataclass(kw_only=True)
class Program:
    """One process of the stack. `launch` starts it (called from the main thread); `stop` ends it in good order."""

    name: str
    launch: Callable[[], subprocess.Popen[bytes]]
    log: Path
    stop: Callable[[subprocess.Popen[bytes]], None] = end
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    deaths: int = field(default=0)
    """Deaths in a row, each soon after a start."""

    @property
    def alive(self) -> bool:
        """Whether it runs now."""
        return self.process is not None and self.process.poll() is None


class Supervisor:
    """Holds the programs in order of start. `say` gets one line for everything a person should know of.

    `changed` is called after every start, so that process ids on file stay right.
    """

    def __init__(self, *, say: Callable[[str], None], changed: Callable[[], None]) -> None:
        self._say = say
        self._changed = changed
        self.programs: list[Program] = []

    def start(self, program: Program) -> None:
        """Starts it and keeps it alive from now on."""
        self.programs.append(program)
        self._launch(program)

    def hopeless(self, name: str) -> str | None:
        """Why waiting for the program makes no sense: it died young several times in a row. None while there is hope."""
        dead = next(
            (
                program
                for program in self.programs
                if program.name == name and program.deaths >= GIVE_UP_AFTER
            ),
            None,
        )
        if dead is None:
            return None
        words = dead.log.read_text(errors="replace").split("\n") if dead.log.exists() else []
        last = next((line.strip() for line in reversed(words) if line.strip()), "nothing")
        return f"it ended {dead.deaths} times while starting, and last said: {last} (log: {dead.log})"

    async def watch(self) -> None:
        """Starts again whatever dies; runs until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            for program in self.programs:
                if program.process is not None and not program.alive:
                    self._plan_restart(program)
                if program.process is None and time.monotonic() >= program.started:
                    self._launch(program)

    async def stop(self) -> None:
        """Ends all, the last started first, except that services end side by side. Returns when all are gone."""
        for program in reversed(self.programs):
            if program.process is not None and program.alive:
                await asyncio.to_thread(program.stop, program.process)
        self.programs.clear()

    async def stop_together(self, names: set[str]) -> None:
        """Ends the named programs at the same time; the others stay."""
        chosen = [program for program in self.programs if program.name in names]
        self.programs = [program for program in self.programs if program.name not in names]
        await asyncio.gather(
            *(
                asyncio.to_thread(program.stop, program.process)
                for program in chosen
                if program.process is not None
            )
        )

    def _launch(self, program: Program) -> None:
        program.process = program.launch()
        program.started = time.monotonic()
        self._changed()

    def _plan_restart(self, program: Program) -> None:
        assert program.process is not None  # noqa: S101 -- the caller has looked
        lived = time.monotonic() - program.started
        program.deaths = program.deaths + 1 if lived < YOUNG else 0
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** max(0, program.deaths - 1))
        self._say(
            f"{program.name} ended ({_how(program.process.returncode)}) and is started again in {pause:.1f} s; "
            f"its log is {program.log}"
        )
        program.process = None
        program.started = time.monotonic() + pause  # when to start


def _how(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {-code}"
