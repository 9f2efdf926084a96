"""Dispatchers that are frozen past their session, or killed, while they hold a window of jobs that may be sent once at most."""

import asyncio
import os
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest
from tests.integration.channel.conftest import Bench, Phone, job

from tocsin.testing.until import until

pytestmark = pytest.mark.kafka

PROGRAM = Path(__file__).with_name("dispatcher_process.py")
ROOT = Path(__file__).parents[3]
JOBS = 40


async def start(bench: Bench, folder: Path, failpoints: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, str(PROGRAM), bench.settings.bootstrap_servers, bench.settings.topic_prefix, str(folder),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"FAILPOINTS": failpoints, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


async def put_codes(bench: Bench) -> None:
    jobs = [job(number, recipient=f"r{number}") for number in range(JOBS)]
    for code in jobs:
        code.delivery_class = "at_most_once"
    await bench.put(*jobs)


async def goes_off(process: asyncio.subprocess.Process) -> None:
    assert process.stderr is not None
    async with asyncio.timeout(60):
        async for line in process.stderr:
            if b"failpoint goes off" in line:
                return
    raise AssertionError(
        f"the dispatcher ended before its failpoint went off, with exit code {await process.wait()}"
    )


async def all_have_ended(bench: Bench) -> Counter[str]:
    ends: dict[str | None, str] = {}

    async def ended() -> bool:
        ends.update((status.delivery_id, status.status) for status in await bench.statuses() if status.final)
        return len(ends) == JOBS

    await until(ended)
    return Counter(ends.values())


NIGHTLY = pytest.mark.nightly


@pytest.mark.parametrize(
    "place", ["after_intent", "before_call", pytest.param("before_outcome", marks=NIGHTLY)]
)
async def test_frozen_past_its_session_it_calls_no_more(bench: Bench, tmp_path: Path, place: str):
    """Frozen while it stores intents, after that, and just before a call; the answers of its last heartbeats lie in its socket."""
    await put_codes(bench)
    frozen = await start(bench, tmp_path, f"{place}=freeze")
    phone = Phone()
    try:
        await goes_off(frozen)
        async with bench.dispatcher(phone):
            await all_have_ended(bench)
            frozen.send_signal(signal.SIGCONT)
            out, errors = await asyncio.wait_for(frozen.communicate(), 60)
    finally:
        if frozen.returncode is None:
            frozen.kill()
    assert frozen.returncode == 1
    assert b"OwnershipLost" in errors or b"LeaseLost" in errors or b"expelled" in errors
    asked = Counter([*out.decode().split(), *phone.got])
    assert asked
    assert max(asked.values()) == 1
    assert out == b""


@pytest.mark.parametrize(
    "place",
    [
        "after_intent:10",
        "after_call:10",
        pytest.param("before_call:10", marks=NIGHTLY),
        pytest.param("before_outcome:3", marks=NIGHTLY),
    ],
)
async def test_killed_it_leaves_nothing_that_is_sent_twice(bench: Bench, tmp_path: Path, place: str):
    await put_codes(bench)
    killed = await start(bench, tmp_path, f"{place}=kill")
    out, _ = await asyncio.wait_for(killed.communicate(), 60)
    assert killed.returncode == -signal.SIGKILL
    phone = Phone()
    async with bench.dispatcher(phone):
        ended = await all_have_ended(bench)
    assert ended.keys() <= {"sent", "unknown"}
    asked = Counter([*out.decode().split(), *phone.got])
    assert max(asked.values()) == 1
