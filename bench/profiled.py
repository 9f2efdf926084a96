"""Runs a service as `python -m` would, looks where it is every millisecond of its own processor time, and writes that when it ends.

What the kernel does for it is not looked at (`ITIMER_VIRTUAL`: services have a use of their own for the timer that would, `programs/watchdog.py`), nor
what it does while modules are loaded, which is before the work.

`python bench/profiled.py RESULT_FILE MODULE [ARGUMENTS]`; the file is JSON, counts of samples by `<module of ours>` and by `<module of ours> > <what it called>`.
"""

import atexit
import json
import runpy
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType

SAMPLE_SECONDS = 0.001
OURS = "tocsin."
NOBODY = "the event loop and libraries that call themselves"


LOADING = "importlib._bootstrap"


def place(frame: FrameType) -> tuple[str, str] | None:
    """The innermost module of ours, and the function that runs, with its module; None while a module is loaded."""
    running = f"{frame.f_globals.get('__name__', '?')}.{frame.f_code.co_name}"
    ours = NOBODY
    outer: FrameType | None = frame
    while outer is not None:
        module = str(outer.f_globals.get("__name__", ""))
        if module == LOADING:
            return None
        if ours == NOBODY and module.startswith(OURS):
            ours = module
        outer = outer.f_back
    return ours, running


def main() -> None:
    """Until the service ends."""
    _, target, module, *arguments = sys.argv
    counts: Counter[str] = Counter()

    def sample(_signal: int, frame: FrameType | None) -> None:
        found = None if frame is None else place(frame)
        if found is not None:
            ours, running = found
            counts[ours] += 1
            counts[f"{ours} > {running}"] += 1

    def write() -> None:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        Path(target).write_text(json.dumps(counts))

    atexit.register(write)
    signal.signal(signal.SIGVTALRM, sample)
    sys.argv = [module, *arguments]
    sys.path.pop(0)  # the bench's own modules are none of the service's
    signal.setitimer(signal.ITIMER_VIRTUAL, SAMPLE_SECONDS, SAMPLE_SECONDS)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
