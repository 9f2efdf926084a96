"""What dies is started again, and this is said; stop leaves nothing."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tocsin.dev.processes import spawn
from tocsin.dev.supervisor import Program, Supervisor

WAITS = [sys.executable, "-c", "import time; time.sleep(600)"]


def program(name: str, folder: Path) -> Program:
    log = folder / f"{name}.log"
    return Program(name=name, launch=lambda: spawn(WAITS, log=log), log=log)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 -- another process cannot set an event of ours
            await asyncio.sleep(0.02)


async def test_a_killed_program_is_started_again_and_this_is_said(tmp_path: Path) -> None:
    said: list[str] = []
    starts: list[int] = []
    supervisor = Supervisor(say=said.append, changed=lambda: starts.append(1))
    service = program("ledger", tmp_path)
    supervisor.start(service)
    watch = asyncio.create_task(supervisor.watch())
    assert service.process is not None
    first = service.process.pid
    os.kill(first, signal.SIGKILL)
    await until(lambda: len(starts) == 2)
    assert service.alive
    assert service.process.pid != first
    assert said == [f"ledger ended (signal 9) and is started again in 0.5 s; its log is {service.log}"]
    watch.cancel()
    await supervisor.stop()
    assert not service.alive


async def test_stop_goes_backwards_and_groups_end_side_by_side(tmp_path: Path) -> None:
    supervisor = Supervisor(say=lambda _: None, changed=lambda: None)
    programs = [program(name, tmp_path) for name in ("kafka", "router", "ledger")]
    for service in programs:
        supervisor.start(service)
    await supervisor.stop_together({"router", "ledger"})
    assert [service.name for service in programs if service.alive] == ["kafka"]
    await supervisor.stop()
    assert not any(service.alive for service in programs)


@pytest.mark.parametrize(("deaths", "pause"), [(0, "0.5"), (1, "0.5"), (2, "1.0"), (6, "10.0")])
async def test_what_keeps_dying_is_started_ever_less_often(tmp_path: Path, deaths: int, pause: str) -> None:
    said: list[str] = []
    supervisor = Supervisor(say=said.append, changed=lambda: None)
    service = program("ingest", tmp_path)
    supervisor.start(service)
    service.deaths = deaths - 1
    assert service.process is not None
    service.process.kill()
    watch = asyncio.create_task(supervisor.watch())
    await until(lambda: bool(said))
    watch.cancel()
    assert f"started again in {pause} s" in said[0]
    await supervisor.stop()


async def test_waiting_is_given_up_with_the_last_words(tmp_path: Path) -> None:
    supervisor = Supervisor(say=lambda _: None, changed=lambda: None)
    service = program("router", tmp_path)
    supervisor.start(service)
    service.log.write_text("before\nDATABASE_URL must be set.\n\n")
    assert supervisor.hopeless("router") is None
    service.deaths = 3
    assert supervisor.hopeless("router") == (
        f"it ended 3 times while starting, and last said: DATABASE_URL must be set. (log: {service.log})"
    )
    await supervisor.stop()
