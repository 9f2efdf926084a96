"""What is written of a run, and what the build makes of a stage that costs more than it did."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import guard
import record
from figures import Figure
from machine import Machine
from plot import chart
from report import Report
from targets import TARGETS

MACHINE = Machine(
    cores=2, cpu="a cpu", memory_gb=1, system="a system", load_before=0, versions={}, commit="abc"
)
LATENCY = [
    Figure(name=f"latency at {rate}/s: {word}", unit="ms", value=value)
    for rate, values in ((100, (100.0, 8.0, 20.0)), (1000, (1000.0, 10.0, 40.0)))
    for word, value in zip(("rate", "p50", "p99"), values, strict=True)
]


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    written = tmp_path / "benchmarks.md"
    written.write_text(f"before\n{record.BEGIN}\nof last time\n{record.END}\nafter\n")
    monkeypatch.setattr(record, "PAGE", written)
    monkeypatch.setattr(record, "PLOT", tmp_path / "plot.svg")
    monkeypatch.setattr(record, "RECORD", tmp_path / "record" / "bench.json")
    return written


def test_every_target_is_in_the_record_measured_or_not(page: Path) -> None:
    router = Figure(name="router", unit="events/s", target="router", value=8_500, cpu_us={"router": 110})
    report = Report(machine=MACHINE, figures=[router, *LATENCY], not_measured={"celery": "no redis-server"})
    assert record.write(report) == 0
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "of last time" not in text
    for target in TARGETS.values():
        assert f"| {target.metric} |" in text
    assert "| >= 8,000, 12,000 events/s | 8,500 events/s | must met |" in text
    assert text.count("| not measured |") == len(TARGETS) - 1
    assert "* Not measured: celery: no redis-server." in text
    ET.fromstring((page.parent / "plot.svg").read_text())


def test_nothing_is_recorded_of_a_run_that_lost_something(page: Path) -> None:
    before = page.read_text()
    assert record.write(Report(machine=MACHINE, figures=LATENCY, faults=["mails: 1 of 2 lost"])) == 1
    assert page.read_text() == before


def test_a_page_without_a_place_for_the_record_stays_as_it_is(page: Path) -> None:
    page.write_text("prose")
    assert record.write(Report(machine=MACHINE, figures=LATENCY)) == 1
    assert page.read_text() == "prose"


def test_the_chart_has_a_line_for_each_percentile() -> None:
    root = ET.fromstring(
        chart("a < b", across="x", up="y", lines={"p50": [(1, 2), (10, 3)], "p99": [(1, 9)]})
    )
    assert len(root.findall("{*}polyline")) == 2


def staged(name: str, ours: float, *, calibration: float) -> Figure:
    return Figure(
        name=name,
        unit="events/s",
        value=1,
        cpu_us={"router": ours, "broker": 999},
        more={"calibration, us": calibration},
    )


def cost(name: str, ours: float, *, calibration: float = 20) -> dict[str, float]:
    return {
        name: values[0] for name, values in guard.costs([staged(name, ours, calibration=calibration)]).items()
    }


def test_a_slower_machine_is_no_slower_program() -> None:
    assert guard.worse(cost("router", 200, calibration=40), cost("router", 100)) == []


def test_a_stage_that_costs_a_third_more_is_named() -> None:
    now = cost("router", 133) | cost("ledger", 50)
    before = cost("router", 100) | cost("ledger", 50)
    assert guard.worse(now, before) == ["router: costs 33 % more than the record; at most 25 %"]
    assert guard.worse(now, before, allowed=guard.ALLOWED_ELSEWHERE) == []


def test_a_stage_that_is_gone_is_named() -> None:
    assert guard.worse({}, cost("router", 100)) == ["router: measured in only one of the two"]
