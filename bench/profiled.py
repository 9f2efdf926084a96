"""Runs a service as `python -m` would, looks where it is every millisecond of processor time, and writes that when it ends.

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


def place(frame: FrameType | None) -> tuple[str, str]:
    """The innermost module of ours, and the function that runs, with its module."""
    inner = frame
    running = "" if inner is None else f"{inner.f_globals.get('__name__', '?')}.{inner.f_code.co_name}"
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if module.startswith(OURS):
            return module, running
        frame = frame.f_back
    return NOBODY, running


def main() -> None:
    """Until the service ends."""
    _, target, module, *arguments = sys.argv
    counts: Counter[str] = Counter()

    def sample(_signal: int, frame: FrameType | None) -> None:
        ours, running = place(frame)
        counts[ours] += 1
        counts[f"{ours} > {running}"] += 1

    def write() -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        Path(target).write_text(json.dumps(counts))

    atexit.register(write)
    signal.signal(signal.SIGPROF, sample)
    sys.argv = [module, *arguments]
    sys.path.pop(0)  # the bench's own modules are none of the service's
    signal.setitimer(signal.ITIMER_PROF, SAMPLE_SECONDS, SAMPLE_SECONDS)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
