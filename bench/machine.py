"""What a figure was measured on: the machine and the versions of everything that takes part."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import msgspec

from tocsin.dev.kafka_jars import jars
from tocsin.dev.paths import CACHE, PROJECT

_PACKAGES = ("aiokafka", "aiosmtplib", "asyncpg", "fastapi", "jinja2", "msgspec", "uvicorn", "uvloop")


class Machine(msgspec.Struct, kw_only=True):
    """Everything that makes two runs comparable, or not. `load_before` is the load average of the last minute."""

    cores: int
    cpu: str
    memory_gb: float
    system: str
    load_before: float
    versions: dict[str, str]
    commit: str


def this_machine(postgresql: str) -> Machine:
    """Where we are; `postgresql` is the server's version."""
    return Machine(
        cores=len(os.sched_getaffinity(0)),
        cpu=_line("/proc/cpuinfo", "model name"),
        memory_gb=round(int(_line("/proc/meminfo", "MemTotal").split()[0]) / 1e6, 1),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        load_before=os.getloadavg()[0],
        versions={
            "python": platform.python_version(),
            "kafka": _kafka(),
            "postgresql": postgresql,
            **{name: version(name) for name in _PACKAGES},
        },
        commit=this_commit(),
    )


DIRTY = "-dirty"
"""Ends the commit of a work tree that holds more: two such trees may differ."""


def this_commit() -> str:
    """The checkout's, with a mark where files differ from it; a source archive has none."""
    command = ["git", "-C", str(PROJECT), "describe", "--always", "--dirty"]
    described = subprocess.run(command, capture_output=True, text=True, check=False)
    return described.stdout.strip() or "unknown"


def _line(file: str, name: str) -> str:
    lines = Path(file).read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "unknown")


def _kafka() -> str:
    archives = sorted(Path(jars(cache=CACHE)).glob("kafka_2.13-*.jar"))
    return archives[0].stem.removeprefix("kafka_2.13-") if archives else "unknown"
