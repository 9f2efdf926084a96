"""Ends a process whose event loop does not turn because it works: the only clock here, behind all counts.

It counts processor time, not time, so that a busy machine or a frozen process ends nobody. It does not need the interpreter's lock,
which work in native code may hold: the kernel sends SIGPROF, and a handler in C writes where every thread is and lets the signal end
the process. The note then says what ran.
"""

import asyncio
import faulthandler
import signal
from collections.abc import Callable, Coroutine
from typing import Any, Final

from tocsin.programs.crash_note import CrashNote
from tocsin.runtime import FunctionComponent, every

BLOCKED_SECONDS: Final = 10.0
"""Of processor time without a turn of the loop. No program that the counts let pass takes a thirtieth of it."""
_AGAIN_SECONDS: Final = 1.0


def crash_note_component(*notes: CrashNote) -> FunctionComponent:
    """Opens the notes before all that may run a program, and watches the loop while the service runs."""
    return FunctionComponent(
        name="crash note",
        open=_at_once(*(note.open for note in notes)),
        run=_watch,
        close=_at_once(*(note.close for note in notes)),
    )


async def _watch(stop: asyncio.Event) -> None:
    async def arm() -> None:
        signal.setitimer(signal.ITIMER_PROF, BLOCKED_SECONDS)

    faulthandler.register(signal.SIGPROF, file=2, all_threads=True, chain=True)
    try:
        await arm()
        await every(_AGAIN_SECONDS, arm, stop=stop)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _at_once(*works: Callable[[], None]) -> Callable[[], Coroutine[Any, Any, None]]:
    async def working() -> None:
        for work in works:
            work()

    return working
