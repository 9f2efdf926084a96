"""Points of growth for people: text, plots, and the page docs/growth.md."""

from collections.abc import Sequence
from pathlib import Path

from figures import Figure
from growth_points import MeasuredPoint, by_commit, our_cost, slowness
from machine import Machine
from plot import Point, chart
from report import number
from tocsin.dev.paths import PROJECT

PAGE = PROJECT / "docs" / "growth.md"
BEGIN, END = (
    "<!-- written by `make bench-growth RECORD=1`: begin -->",
    "<!-- written by `make bench-growth RECORD=1`: end -->",
)


def show(points: Sequence[MeasuredPoint]) -> None:
    """Every figure with where it was measured."""
    for point in points:
        print(
            f"\n{point.group} {point.value:,.0f}: {point.partitions} partitions, {point.shards} shards, {point.instances} instances; commit {point.commit}"
        )
        for figure in point.figures:
            cost = our_cost(figure)
            used = f"  {cost:,.0f} us a message of ours" if cost else ""
            print(f"  {figure.name}: {figure.value:,.1f} {figure.unit}{used}")
        for fault in point.faults:
            print(f"  WRONG: {fault}")
    commits = by_commit(points)
    if len(commits) > 1:
        counts = ", ".join(f"{len(measured)} of {commit}" for commit, measured in commits.items())
        print(f"\nThese points are of several commits, so differences may come from the code: {counts}")


def write_plots(points: Sequence[MeasuredPoint], folder: Path, stem: str) -> dict[str, Path]:
    """By group, the file with its plot. A group of one point has none."""
    files: dict[str, Path] = {}
    for group, drawn in _plots(points).items():
        name = group.replace(" ", "-").replace(",", "").replace("%", "share")
        files[group] = folder / f"{stem}-{name}.svg"
        files[group].write_text(drawn)
    return files


def record(points: Sequence[MeasuredPoint]) -> list[Path]:
    """Writes the page's generated part and its plots, and says which files these are."""
    page = PAGE.read_text()
    if BEGIN not in page or END not in page:
        raise SystemExit(f"{PAGE} has no lines {BEGIN} and {END}: put them where the record belongs.")
    plots = write_plots(points, PAGE.parent / "images", "growth")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{_section(points, plots)}\n{END}{after}")
    return [PAGE, *plots.values()]


def _section(points: Sequence[MeasuredPoint], plots: dict[str, Path]) -> str:
    machines = dict.fromkeys(_said_of(point.machine) for point in points)
    commits = ", ".join(
        f"{len(measured)} points of commit {commit}" for commit, measured in by_commit(points).items()
    )
    parts = [f"{'; '.join(machines)}; {commits}."]
    for group in dict.fromkeys(point.group for point in points):
        parts += ["", f"### {group[0].upper()}{group[1:]}", ""]
        if group in plots:
            parts += [f"![Cost over {group}](images/{plots[group].name})", ""]
        parts += _table(group, [point for point in points if point.group == group])
    return "\n".join(parts)


def _said_of(machine: Machine) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    return f"{machine.cores} cores of {machine.cpu}, {machine.memory_gb:g} GB, {machine.system}; {versions}"


def _table(group: str, points: Sequence[MeasuredPoint]) -> list[str]:
    """A column for each point, a line for each figure."""
    heads = [
        f"{point.value:,.0f} ({point.partitions} · {point.shards} · {point.instances})" for point in points
    ]
    lines = [
        f"| {group} (partitions · shards · instances) | {' | '.join(heads)} |",
        "|---|" + "---:|" * len(points),
    ]
    for name in dict.fromkeys(figure.name for point in points for figure in point.figures):
        cells = [_cell(figure) for point in points for figure in [_named(point, name)]]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines.append(
        f"| a fixed piece of work | {' | '.join(f'{point.calibration_us:.1f} µs' for point in points)} |"
    )
    return lines


def _named(point: MeasuredPoint, name: str) -> Figure | None:
    return next((figure for figure in point.figures if figure.name == name), None)


def _cell(figure: Figure | None) -> str:
    if figure is None:
        return ""
    cost = our_cost(figure)
    return f"{number(figure.value)} {figure.unit}" + (f"<br>{cost:,.0f} µs" if cost else "")


def _plots(points: Sequence[MeasuredPoint]) -> dict[str, str]:
    """By group, the cost of a message over what grows, at the speed that the machine had at the group's first point; where one value was
    measured with several numbers of shards, the first."""
    made: dict[str, str] = {}
    for group in dict.fromkeys(point.group for point in points):
        members = [point for point in points if point.group == group]
        costs: dict[str, dict[float, float]] = {}
        for point in members:
            for figure in point.figures if point.value > 0 else ():
                if cost := our_cost(figure):
                    costs.setdefault(figure.name.partition(":")[0], {}).setdefault(
                        point.value, cost / slowness(point, members[0])
                    )
        lines: dict[str, list[Point]] = {
            name: list(line.items()) for name, line in costs.items() if len(line) > 1
        }
        if lines:
            made[group] = chart(
                f"Cost over {group}", across=group, up="us a message", lines=lines, note=_commits_of(members)
            )
    return made


def _commits_of(points: Sequence[MeasuredPoint]) -> str:
    """Which points are of which commit, where they are of several."""
    commits = by_commit(points)
    if len(commits) < 2:
        return ""
    return "; ".join(
        f"{commit}: {', '.join(dict.fromkeys(f'{point.value:,.0f}' for point in measured))}"
        for commit, measured in commits.items()
    )
