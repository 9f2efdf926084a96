"""What processes use, from /proc: processor time with all threads and children, and memory's fair share."""

import os
import threading
import time
from bisect import bisect_left
from collections.abc import Mapping
from pathlib import Path
from typing import Self

LOOK_EVERY = 0.1  # seconds; reading costs well under one hundredth of a core
_MACHINE = "machine"
_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of the process, its ended children, and those that live (PostgreSQL's connections); 0 when gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    own = sum(int(ticks) for ticks in fields[11:15]) / _TICKS
    return own + sum(cpu_seconds(int(child)) for child in children)


def pss_mb(pid: int) -> float:
    """Proportional set size of the process alone, in MB of 10^6 bytes."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise ValueError(f"the kernel tells no Pss of process {pid}")


def machine_seconds() -> float:
    """Processor time of everything that runs on this machine, since it was started; the kernel's interrupts included."""
    user, nice, system, _idle, _iowait, irq, softirq, *_ = (
        int(ticks) for ticks in Path("/proc/stat").read_text().partition("\n")[0].split()[1:]
    )
    return (user + nice + system + irq + softirq) / _TICKS


class Meter:
    """Looks at the processes all the while it is open, so that any stretch of that time can be asked for afterwards."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = dict(pids)
        self._times: list[float] = []
        self._seen: list[dict[str, float]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def span(self) -> tuple[float, float]:
        """The first look and the last (seconds since 1970)."""
        return self._times[0], self._times[-1]

    def between(self, start: float, end: float) -> dict[str, float]:
        """Processor seconds by process from one moment to another (seconds since 1970)."""
        before, after = self._at(start), self._at(end)
        return {name: after[name] - before[name] for name in self._pids}

    def machine_between(self, start: float, end: float) -> float:
        """Processor seconds of everything on this machine, of what is not ours too."""
        return self._at(end)[_MACHINE] - self._at(start)[_MACHINE]

    def _look(self) -> None:
        ended = False
        while not ended:
            self._note()
            ended = self._ended.wait(LOOK_EVERY)
        self._note()

    def _note(self) -> None:
        self._times.append(time.time())
        used = {name: cpu_seconds(pid) for name, pid in self._pids.items()}
        self._seen.append(used | {_MACHINE: machine_seconds()})

    def _at(self, moment: float) -> dict[str, float]:
        """Between two looks, time is taken to have been used evenly."""
        after = min(max(bisect_left(self._times, moment), 1), len(self._times) - 1)
        first, last = self._times[after - 1], self._times[after]
        share = min(max((moment - first) / (last - first), 0.0), 1.0)
        return {
            name: used + (self._seen[after][name] - used) * share
            for name, used in self._seen[after - 1].items()
        }
