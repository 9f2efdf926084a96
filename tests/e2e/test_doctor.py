"""`tocsin doctor` finds nothing wrong with a stack that works."""

import asyncio
import os
import sys

import pytest

from tocsin.testing.until import until

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]


async def test_of_a_stack_that_works_nothing_is_wrong(tocsin):
    stack = tocsin.stack
    processes = [word for url in stack["operations"].values() for word in ("--process", url)]
    said: list[str] = []

    async def nothing_is_wrong() -> bool:
        doctor = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tocsin.cli", "doctor", *processes,
            env=os.environ | {"KAFKA_BOOTSTRAP_SERVERS": stack["kafka"]}, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, _ = await doctor.communicate()
        said.append(out.decode())
        return doctor.returncode == 0

    try:
        await until(nothing_is_wrong, seconds=120)
    except TimeoutError:
        pytest.fail(said[-1] if said else "it said nothing")
    assert said[-1].startswith("Nothing is wrong. Asked: the brokers, every topic and group, ")
