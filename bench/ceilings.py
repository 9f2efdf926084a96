"""What the sinks themselves can take: a figure near that says more about the sink than about us."""

import asyncio
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from figures import Figure, Measured, stretch, throughput
from processor_time import Meter
from sink import Sink
from tocsin.dev import StartFailed
from tocsin.dev.processes import attached, end, free_port, spawn, wait_for_port

MESSAGES = 20_000
CONNECTIONS = 20
C_LOAD, C_SINK = "smtp-source", "smtp-sink"
"""Of Debian's package postfix."""
_PLACES = "/usr/sbin:/usr/local/sbin:/usr/bin"


async def measure(mails: Sink, http: Sink, folder: Path) -> Measured:
    """Each sink under a load of our own, mails under a load in C as well, and Debian's own sink, where these are installed."""
    program = [sys.executable, str(Path(__file__).with_name("sink_load.py"))]
    runs = [
        ("ceiling of the mail sink, our load", mails, [*program, "smtp", str(mails.port), str(MESSAGES)]),
        ("ceiling of the HTTP sink, our load", http, [*program, "http", str(http.port), str(MESSAGES)]),
    ]
    c_load, c_sink = (shutil.which(name, path=_PLACES) for name in (C_LOAD, C_SINK))
    if c_load:
        runs.append((f"ceiling of the mail sink, {C_LOAD}", mails, _in_c(c_load, mails.port)))
    figures: list[Figure] = []
    faults: list[str] = []
    for name, sink, command in runs:
        with Meter({"sink": sink.pid}) as meter:
            await _run(command)
        caught = await sink.take()
        figures.append(throughput(name, stretch(caught.times), meter))
        if len(caught.ids) != MESSAGES:
            faults.append(f"{name}: {len(caught.ids)} of {MESSAGES} messages")
    if c_load and c_sink:
        figures.append(await _debians(c_load, c_sink, folder))
    return Measured(figures=figures, faults=faults)


async def _debians(load: str, sink: str, folder: Path) -> Figure:
    port, log = free_port(), folder / "smtp-sink.log"
    running = spawn([sink, "-u", "nobody", f"127.0.0.1:{port}", "512"], log=log)
    try:
        wait_for_port(port, process=running, name=C_SINK, log=log, timeout=20)
        began = time.monotonic()
        await _run(_in_c(load, port))
        return Figure(
            name=f"ceiling of {C_SINK}, {C_LOAD}",
            value=MESSAGES / (time.monotonic() - began),
            unit="messages/s",
        )
    finally:
        end(running)


def _in_c(program: str, port: int) -> list[str]:
    size = ("-s", str(CONNECTIONS), "-m", str(MESSAGES), "-l", "1500", "-d")
    return [program, *size, "-f", "a@bench.example", "-t", "b@bench.example", f"127.0.0.1:{port}"]


async def _run(command: Sequence[str]) -> None:
    process = await asyncio.create_subprocess_exec(*attached(command), stderr=asyncio.subprocess.PIPE)
    _, said = await process.communicate()
    if process.returncode != 0:
        raise StartFailed(f"{command[0]} failed: {said.decode(errors='replace')[-500:]}")
