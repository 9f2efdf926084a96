"""The long bench goes on where it was ended, says what disk it needs, and plots what a message costs."""

import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

import growth
import growth_page
from figures import Figure
from growth import CASES
from growth_cases import Case
from growth_page import BEGIN, END, record
from growth_points import MeasuredPoint, read
from machine import Machine


def machine(commit: str) -> Machine:
    return Machine(
        cores=2, cpu="a", memory_gb=1, system="b", load_before=0, versions={"kafka": "4.1.1"}, commit=commit
    )


def done(
    case: Case, *, cost: float = 100, faults: tuple[str, ...] = (), commit: str = "abc"
) -> MeasuredPoint:
    figure = Figure(
        name="router: events to jobs", unit="events/s", value=1, cpu_us={"router": cost, "broker": 50}
    )
    return MeasuredPoint(
        group=case.group,
        value=case.value,
        partitions=case.partitions,
        shards=case.shards,
        instances=case.instances,
        machine=machine(commit),
        figures=[figure],
        faults=list(faults),
    )


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(growth, "RESULTS", tmp_path)
    monkeypatch.setattr(growth, "this_commit", lambda: "abc")
    return tmp_path / "growth-0.5.jsonl"


def run(monkeypatch: pytest.MonkeyPatch, group: str, *options: str) -> tuple[int, list[Case]]:
    measured: list[Case] = []

    async def measure(case: Case, scale: float, say: object) -> MeasuredPoint:
        assert scale == 0.5
        measured.append(case)
        return done(case, cost=case.value)

    monkeypatch.setattr(growth, "measure", measure)
    monkeypatch.setattr(sys, "argv", ["growth.py", "--scale", "0.5", "--only", group, *options])
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


def test_points_of_another_commit_are_named_in_the_table_and_the_plot(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    claims = [case for case in CASES if case.group == "claims"]
    results.write_bytes(msgspec.json.encode(done(claims[0], commit="def")) + b"\n")
    assert run(monkeypatch, "claims") == (0, claims[1:])
    said = capsys.readouterr().out
    assert "1 points of commit def are not measured again, though the code is at abc" in said
    assert (
        "These points are of several commits, so differences may come from the code: 1 of def, 2 of abc"
        in said
    )
    plot = results.with_name("growth-0.5-claims.svg").read_text()
    assert "def: 100,000; abc: 1,000,000, 10,000,000" in plot


def test_of_one_commit_nothing_is_said(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "claims")[0] == 0
    assert run(monkeypatch, "claims") == (0, [])
    assert "several commits" not in (said := capsys.readouterr().out)
    assert "not measured again" not in said
    assert "abc" not in results.with_name("growth-0.5-claims.svg").read_text()


def test_fresh_measures_the_points_of_its_groups_anew_and_keeps_the_old_ones_beside(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = [case for case in CASES if case.group == "claims"]
    other = next(case for case in CASES if case.group == "instances")
    old = [done(case, commit="def") for case in (other, *claims)]
    results.write_bytes(b"".join(msgspec.json.encode(point) + b"\n" for point in old))
    assert run(monkeypatch, "claims", "--fresh") == (0, claims)
    assert [point.commit for point in read(results)] == ["def", "abc", "abc", "abc"]
    assert read(results.with_name("growth-0.5.jsonl.before")) == old[1:]


def test_the_page_has_a_column_for_each_point_and_keeps_what_people_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "growth.md"
    (tmp_path / "images").mkdir()
    page.write_text(f"# Growth\n\n{BEGIN}\nold\n{END}\n\n## What it says\n")
    monkeypatch.setattr(growth_page, "PAGE", page)
    claims = [case for case in CASES if case.group == "claims"]
    written = record([done(case, cost=number) for number, case in enumerate(claims, 10)])
    text = page.read_text()
    assert text.startswith(
        f"# Growth\n\n{BEGIN}\n2 cores of a, 1 GB, b; kafka 4.1.1; 3 points of commit abc.\n"
    )
    assert text.endswith(f"{END}\n\n## What it says\n")
    assert (
        "| claims (partitions · shards · instances) | 100,000 (4 · 2 · 1) | 1,000,000 (4 · 2 · 1) | 10,000,000 (4 · 2 · 1) |"
        in text
    )
    assert (
        "| router: events to jobs | 1.0 events/s<br>10 µs | 1.0 events/s<br>11 µs | 1.0 events/s<br>12 µs |"
        in text
    )
    assert "old" not in text
    assert written == [page, tmp_path / "images" / "growth-claims.svg"]
    assert f"![Cost over claims](images/{written[1].name})" in text


def test_a_record_is_of_everything_at_full_size(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        run(monkeypatch, "claims", "--record")
    assert "leave --scale and --only out" in capsys.readouterr().err
