"""Ends a process whose event loop does not turn because it works: the only clock here, behind all counts.

It counts processor time, not time, so that a busy machine or a frozen process ends nobody. It does not need the interpreter's lock,
which work in native code may hold: the kernel sends SIGPROF, and a handler in C writes where every thread is and lets the signal end
the process. The note then says what ran.
"""

import asyncio
import faulthandler
import signal
import sys
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final

from tocsin.programs.crash_note import CrashNote
from tocsin.runtime import FunctionComponent, every

BLOCKED_SECONDS: Final = 10.0
"""Of processor time without a turn of the loop. No program that the counts let pass takes a thirtieth of it."""
_AGAIN_SECONDS: Final = 1.0


def crash_note_component(note: CrashNote, *, blocked_seconds: float = BLOCKED_SECONDS) -> FunctionComponent:
    """Opens the note before all that may run a program, and watches the loop while the service runs."""
    return FunctionComponent(
        name="crash note",
        open=_at_once(note.open),
        run=partial(_watch, blocked_seconds),
        close=_at_once(note.close),
    )


async def _watch(blocked_seconds: float, stop: asyncio.Event) -> None:
    def arm(seconds: float) -> None:
        signal.setitimer(signal.ITIMER_PROF, seconds)

    async def arm_again() -> None:
        arm(blocked_seconds)

    faulthandler.register(signal.SIGPROF, file=sys.__stderr__, all_threads=True, chain=True)
    try:
        arm(blocked_seconds)
        await every(_AGAIN_SECONDS, arm_again, stop=stop)
    finally:
        arm(0)


def _at_once(work: Callable[[], None]) -> Callable[[], Coroutine[Any, Any, None]]:
    async def working() -> None:
        work()

    return working
