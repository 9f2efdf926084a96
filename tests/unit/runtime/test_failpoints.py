"""Failpoints: how they are armed, when they go off, and that each of them is really reached somewhere."""

import asyncio
import os
import re
import signal
import sys
from pathlib import Path

import pytest

from tocsin.runtime import (
    NO_FAILPOINTS,
    PrefixedFailpoints,
    ServiceSettings,
    SettingsInvalid,
    arm,
    read_settings,
)
from tocsin.runtime.errors import ExitCode
from tocsin.runtime.failpoints import NAMES, ArmedPlace

ROOT = Path(__file__).parents[3]
PROGRAM = """
import asyncio
from tocsin.runtime import ServiceSettings, arm, load_settings
failpoints = arm(load_settings(ServiceSettings).failpoints)
for turn in range(4):
    print("turn", turn, flush=True)
    asyncio.run(failpoints.reach("before_outcome"))
"""


async def start(failpoints: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, env=os.environ | {"FAILPOINTS": failpoints},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("", []),
        ("after_claim=kill", [ArmedPlace("after_claim", 1, "kill")]),
        ("before_outcome:7=freeze", [ArmedPlace("before_outcome", 7, "freeze")]),
        (
            "after_commit=delay 5, after_commit:2=delay 0.25",
            [ArmedPlace("after_commit", 1, "delay", 5.0), ArmedPlace("after_commit", 2, "delay", 0.25)],
        ),
    ],
)
def test_what_a_setting_arms(monkeypatch: pytest.MonkeyPatch, text: str, places: list[ArmedPlace]) -> None:
    monkeypatch.setenv("FAILPOINTS", text)
    assert read_settings(ServiceSettings).failpoints == places


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("after_claim", "write name=kill"),
        ("after_claim=explode", "write name=kill"),
        ("after_claim:0=kill", "write name=kill"),
        ("after_claim=delay", "write name=kill"),
        ("after_claim=delay soon", "write name=kill"),
        ("after_climb=kill", "the names are before_fence, after_fence"),
    ],
)
def test_a_wrong_one_is_refused_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, text: str, remedy: str
) -> None:
    monkeypatch.setenv("FAILPOINTS", text)
    with pytest.raises(SettingsInvalid) as caught:
        read_settings(ServiceSettings)
    (sentence,) = caught.value.faults
    assert sentence.startswith("FAILPOINTS is not valid: ")
    assert remedy in sentence
    assert "climb" not in sentence


async def test_a_wrong_one_stops_the_start() -> None:
    process = await start("after_climb=kill")
    out, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == ExitCode.SETTINGS_INVALID
    assert out == b""
    assert errors.startswith(b"FAILPOINTS is not valid: ")


async def test_a_kill_goes_off_at_its_time() -> None:
    process = await start("before_outcome:3=kill")
    out, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == -signal.SIGKILL
    assert out.split() == [b"turn", b"0", b"turn", b"1", b"turn", b"2"]
    assert b"failpoint goes off" in errors


async def test_a_frozen_process_goes_on_where_it_was() -> None:
    process = await start("before_outcome:2=freeze")
    _, status = await asyncio.to_thread(os.waitpid, process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    process.send_signal(signal.SIGCONT)
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    assert out.split()[-1] == b"3"


async def test_a_delay_is_awaited_and_happens_once() -> None:
    failpoints = arm([ArmedPlace("after_claim", 1, "delay", 0.5)])
    waiting = asyncio.create_task(failpoints.reach("after_claim"))
    await asyncio.sleep(0)
    await failpoints.reach("after_claim")
    await failpoints.reach("after_commit")
    assert not waiting.done()
    await waiting


async def test_a_part_has_places_of_its_own() -> None:
    reached: list[str] = []

    class Notes:
        async def reach(self, name: str) -> None:
            reached.append(name)

    await PrefixedFailpoints(Notes(), prefix="relay_").reach("after_commit")
    assert reached == ["relay_after_commit"]


def test_unarmed_there_is_nothing_to_reach() -> None:
    assert arm([]) is NO_FAILPOINTS


def test_every_name_is_reached_and_every_place_has_a_name() -> None:
    """A part that hands its places on under a prefix names them without it."""
    sources = [*ROOT.glob("libs/common/src/**/*.py"), *ROOT.glob("services/*/src/**/*.py")]
    reached = {
        name
        for source in sources
        if "testing" not in source.parts
        for name in re.findall(r'\.reach\("(\w+)"\)', source.read_text())
    }
    assert {name.removeprefix("relay_").removeprefix("redrive_") for name in NAMES} == reached
