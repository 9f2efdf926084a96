"""The long bench goes on where it was ended, says what disk it needs, and plots what a message costs."""

import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

import growth
from figures import Figure
from growth import CASES, Done
from growth_cases import Case


def done(case: Case, *, cost: float = 100, faults: tuple[str, ...] = ()) -> Done:
    figure = Figure(
        name="router: events to jobs", unit="events/s", value=1, cpu_us={"router": cost, "broker": 50}
    )
    return Done(
        group=case.group,
        value=case.value,
        partitions=case.partitions,
        shards=case.shards,
        instances=case.instances,
        commit="abc",
        figures=[figure],
        faults=list(faults),
    )


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(growth, "RESULTS", tmp_path)
    return tmp_path / "growth-0.5.jsonl"


def run(monkeypatch: pytest.MonkeyPatch, group: str) -> tuple[int, list[Case]]:
    measured: list[Case] = []

    async def measure(case: Case, scale: float, say: object) -> Done:
        assert scale == 0.5
        measured.append(case)
        return done(case, cost=case.value)

    monkeypatch.setattr(growth, "measure", measure)
    monkeypatch.setattr(sys, "argv", ["growth.py", "--scale", "0.5", "--only", group])
    return growth.main(), measured


def test_a_point_that_was_measured_is_not_measured_again(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = [case for case in CASES if case.group == "claims"]
    whole = msgspec.json.encode(done(claims[0])) + b"\n"
    faulty = msgspec.json.encode(done(claims[1], faults=("one mail was lost",))) + b"\n"
    results.write_bytes(whole + faulty + msgspec.json.encode(done(claims[2]))[:40])
    code, measured = run(monkeypatch, "claims")
    assert code == 0
    assert measured == claims[1:]


def test_every_point_is_one_of_its_own() -> None:
    for case in CASES:
        assert [other for other in CASES if done(case).is_of(other)] == [case]


def test_without_enough_disk_nothing_is_measured(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1e9))
    assert run(monkeypatch, "claims") == (1, [])
    said = capsys.readouterr()
    assert "the largest needs 6 GB of disk, 1 GB are free" in said.out
    assert "free 10 GB" in said.err


def test_the_cost_of_a_message_is_plotted_over_what_grows(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(monkeypatch, "claims")[0] == 0
    root = ET.parse(results.with_name("growth-0.5-claims.svg")).getroot()
    assert len(root.findall("{*}polyline")) == 1
