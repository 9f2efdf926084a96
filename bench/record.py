"""The committed record: the generated part of docs/benchmarks.md, its plot, and the same as JSON.

`python bench/record.py RESULT.json` writes them from what `bench/bench.py` has measured; `make bench-record` does both. Nothing is recorded of a run that
lost, doubled or reordered a message.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from plot import Point, chart
from report import Report, number, spread, wanted
from summary import Summary, of_targets, summaries
from tocsin.dev.paths import PROJECT
from whole_path import PERCENTILES

PAGE = PROJECT / "docs" / "benchmarks.md"
PLOT = PROJECT / "docs" / "latency-over-load.svg"
RECORD = Path(__file__).with_name("record") / "bench.json"
BEGIN, END = (
    "<!-- written by `make bench-record`: begin -->",
    "<!-- written by `make bench-record`: end -->",
)
PEER = "peer "
"""How the names of figures about others begin."""


def write(report: Report) -> int:
    """The exit code."""
    if report.faults:
        print("Nothing is recorded of a run with faults.", file=sys.stderr)
        return 1
    summed = summaries(report.figures)
    page = PAGE.read_text()
    if BEGIN not in page or END not in page:
        print(f"{PAGE} has no lines {BEGIN} and {END}: put them where the record belongs.", file=sys.stderr)
        return 1
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{_section(report, summed)}\n{END}{after}")
    if lines := latency_over_load(summed):
        PLOT.write_text(chart("Latency over load", across="messages a second", up="ms", lines=lines))
    RECORD.parent.mkdir(exist_ok=True)
    lasting = msgspec.structs.replace(
        report, journal=None
    )  # where its parts were kept is a path of this machine
    RECORD.write_bytes(msgspec.json.format(msgspec.json.encode(lasting), indent=1) + b"\n")
    print(f"Written: {PAGE}, {PLOT}, {RECORD}")
    return 0


def latency_over_load(summed: Sequence[Summary]) -> dict[str, list[Point]]:
    """For each percentile the points (messages a second, milliseconds)."""
    by_name = {summary.name: summary for summary in summed}
    lines: dict[str, list[Point]] = {}
    for name, rate in by_name.items():
        if not name.startswith("latency ") or not name.endswith(": rate"):
            continue
        for word in PERCENTILES:
            latency = by_name.get(name.removesuffix("rate") + word)
            if latency is not None:
                lines.setdefault(word, []).append((rate.middle, latency.middle))
    return lines


def _section(report: Report, summed: Sequence[Summary]) -> str:
    machine = report.machine
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    said = (
        f"{machine.cores} cores of {machine.cpu}, {machine.memory_gb:g} GB, {machine.system}; {versions}; commit {machine.commit}. "
        f"{report.runs} runs: the median, and the lowest and highest in brackets. Processor time is the median."
    )
    parts = [
        said,
        "",
        *_targets(summed),
        "",
        f"![Latency over load]({PLOT.name})",
        "",
        *_figures("figure", [summary for summary in summed if not summary.name.startswith(PEER)]),
    ]
    peers = [summary for summary in summed if summary.name.startswith(PEER)]
    if peers or report.not_measured:
        parts += ["", "What others do, in the same runs, on the same sink, with the same message:", ""]
        parts += _figures("peer", peers)
        parts += [""] if report.not_measured else []
        parts += [f"* Not measured: {what}: {why}." for what, why in report.not_measured.items()]
    return "\n".join(parts)


def _targets(summed: Sequence[Summary]) -> list[str]:
    rows = ["| target | must, aim | measured | |", "|---|---|---:|---|"]
    for target, summary in of_targets(summed):
        measured = "not measured" if summary is None else spread(summary)
        reached = "" if summary is None else target.reached(summary.middle)
        rows.append(f"| {target.metric} | {wanted(target)} {target.unit} | {measured} | {reached} |")
    return rows


def _figures(what: str, summed: Sequence[Summary]) -> list[str]:
    rows = [f"| {what} | | elsewhere | CPU µs a message |", "|---|---:|---:|---|"]
    for summary in summed:
        elsewhere = "" if summary.other_cores is None else f"{summary.other_cores:.1f}"
        more = "".join(f"<br>{name}: {number(value)}" for name, value in summary.more.items())
        rows.append(f"| {summary.name} | {spread(summary)} | {elsewhere} | {_processes(summary)}{more} |")
    return rows


def _processes(summary: Summary) -> str:
    if summary.cpu_us_all is None:
        return ""
    used = sorted(summary.cpu_us.items(), key=lambda process: -process[1])
    low, middle, high = summary.cpu_us_all
    several = f" ({low:,.0f}-{high:,.0f})" if len(summary.values) > 1 else ""
    return ", ".join(f"{name} {us:,.0f}" for name, us in used if us >= 0.5) + f" = {middle:,.0f}{several}"


if __name__ == "__main__":
    sys.exit(write(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Report)))
