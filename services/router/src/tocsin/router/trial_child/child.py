"""`python -m tocsin.router.trial_child.child [NICE]`: runs programs that come as frames on its input, within limits, until the input ends.

The process has no secrets in its environment, cannot write files, and dies with its parent.
"""

import ctypes
import os
import resource
import signal
import sys
from typing import BinaryIO, Final

import msgspec

from tocsin.router.trial_child.frames import Answer, Request, framed, read_frame
from tocsin.router.trial_child.programs import PROGRAMS

CPU_SECONDS = 5
"""Of a CPU, for one program. The longest template takes about half of one to be checked and compiled."""
MEMORY_BYTES: Final = 160 * 1024 * 1024
"""Of addresses, besides those that the process has when it begins."""
_KILLED_FIRST: Final = "1000"
"""Where memory runs out, the kernel ends this process and not the one that it serves."""
_DIE_WITH_PARENT: Final = 1
_PAGES_FIELD: Final = 0


def main() -> None:
    """Answer each frame; return when the input ends."""
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    # what a library prints must not come between the frames
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    os.nice(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    with open("/proc/self/oom_score_adj", "w", encoding="ascii") as score:  # noqa: PTH123 - pathlib is not imported here
        score.write(_KILLED_FIRST)
    _limit_memory()
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _send(answers, framed(Answer()))  # ready
    while (frame := read_frame(sys.stdin.buffer)) is not None:
        _allow_cpu()
        _send(answers, _answer(frame))


def _answer(frame: bytes) -> bytes:
    """The frame that answers this one. What a program raises may hold what the tenant wrote, so its type alone is told."""
    try:
        request = msgspec.json.decode(frame, type=Request)
        return framed(Answer(value=PROGRAMS[request.program](**request.arguments)))
    except MemoryError:
        return framed(Answer(out_of_memory=True))
    except Exception as error:  # noqa: BLE001 - see above
        return framed(Answer(raised=type(error).__name__))


def _send(pipe: BinaryIO, frame: bytes) -> None:
    pipe.write(frame)
    pipe.flush()


def _limit_memory() -> None:
    with open("/proc/self/statm", encoding="ascii") as sizes:  # noqa: PTH123 - pathlib is not imported here
        pages = int(sizes.read().split()[_PAGES_FIELD])
    most = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _allow_cpu() -> None:
    """The next program's time begins: the kernel ends the process when it has used it up."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    spent = int(usage.ru_utime + usage.ru_stime)
    resource.setrlimit(resource.RLIMIT_CPU, (spent + CPU_SECONDS + 1, resource.RLIM_INFINITY))


if __name__ == "__main__":
    main()
