"""Points of growth that were measured: lines of a file, which a later run goes on with."""

from collections.abc import Collection, Sequence
from pathlib import Path

import msgspec

from figures import Figure
from growth_cases import Case
from machine import Machine

NOT_OURS = {"broker", "sink", "load"}


class MeasuredPoint(msgspec.Struct, kw_only=True):
    """One line of the file."""

    group: str
    value: float
    partitions: int
    shards: int
    instances: int
    machine: Machine
    figures: list[Figure]
    faults: list[str]
    calibration_us: float = 0.0
    """What the piece of work of `calibration` took before and after, on the average: how fast the machine was. 0: not measured."""

    @property
    def commit(self) -> str:
        """Of the code that was measured."""
        return self.machine.commit

    def is_of(self, case: Case) -> bool:
        """Whether it is this point."""
        place = (self.group, self.value, self.partitions, self.shards, self.instances)
        return place == (case.group, case.value, case.partitions, case.shards, case.instances)


def latest(points: Sequence[MeasuredPoint], cases: Sequence[Case]) -> list[MeasuredPoint]:
    """The last time that each point was measured, in the order of the cases."""
    last = (next((point for point in reversed(points) if point.is_of(case)), None) for case in cases)
    return [point for point in last if point is not None]


def read(file: Path) -> list[MeasuredPoint]:
    """What was measured so far. A last line that was not written whole is taken away, so that the next one stands alone."""
    if not file.exists():
        return []
    whole, _, rest = file.read_bytes().rpartition(b"\n")
    if rest:
        file.write_bytes(whole + b"\n" if whole else b"")
    return [msgspec.json.decode(line, type=MeasuredPoint) for line in whole.splitlines()]


def append(file: Path, point: MeasuredPoint) -> None:
    """As soon as it was measured."""
    with file.open("ab") as lines:
        lines.write(_line(point))


def set_aside(file: Path, groups: Collection[str]) -> None:
    """The points of these groups count no longer. They are kept beside the file, under its name and `.before`."""
    points = read(file)
    with file.with_name(f"{file.name}.before").open("ab") as before:
        before.writelines(_line(point) for point in points if point.group in groups)
    file.write_bytes(b"".join(_line(point) for point in points if point.group not in groups))


def by_commit(points: Sequence[MeasuredPoint]) -> dict[str, list[MeasuredPoint]]:
    """The points of each commit, in the order in which they are given."""
    commits: dict[str, list[MeasuredPoint]] = {}
    for point in points:
        commits.setdefault(point.commit, []).append(point)
    return commits


def our_cost(figure: Figure) -> float:
    """Processor µs a message of our services and the database."""
    return sum(us for process, us in figure.cpu_us.items() if process not in NOT_OURS)


def slowness(point: MeasuredPoint, beside: MeasuredPoint) -> float:
    """How much longer the machine took for the same work at `point` than at `beside`; 1 where one of them does not know."""
    if not (point.calibration_us and beside.calibration_us):
        return 1.0
    return point.calibration_us / beside.calibration_us


def _line(point: MeasuredPoint) -> bytes:
    return msgspec.json.encode(point) + b"\n"
