"""Several runs of the same figure as one line: lowest, median, highest, and the median of what it is made of."""

from collections.abc import Iterable, Sequence
from statistics import median

import msgspec

from figures import Figure
from targets import TARGETS, Target


class Summary(msgspec.Struct, kw_only=True):
    """One figure over its runs. `cpu_us` and `more` are medians, `other_cores` is the highest."""

    name: str
    unit: str
    values: list[float]
    towards: Target | None = None
    cpu_us: dict[str, float] = {}
    cpu_us_all: tuple[float, float, float] | None = None
    """All processes together: lowest, median, highest."""
    other_cores: float | None = None
    more: dict[str, float] = {}

    @property
    def middle(self) -> float:
        """The median, which is what a target is compared with."""
        return median(self.values)

    @property
    def spread(self) -> tuple[float, float, float]:
        """Lowest, median, highest."""
        return min(self.values), self.middle, max(self.values)


def summaries(figures: Iterable[Figure]) -> list[Summary]:
    """One for each name, in the order in which they were first measured."""
    runs: dict[str, list[Figure]] = {}
    for figure in figures:
        runs.setdefault(figure.name, []).append(figure)
    return [_summary(of_one_name) for of_one_name in runs.values()]


def of_targets(summed: Sequence[Summary]) -> list[tuple[Target, Summary | None]]:
    """Every target with the figure that answers to it: where there are several (memory), the worst."""
    answers: dict[str, Summary] = {}
    for summary in summed:
        if summary.towards is not None:
            before = answers.get(summary.towards.key)
            answers[summary.towards.key] = (
                summary if before is None else _worse(summary.towards, before, summary)
            )
    return [(target, answers.get(key)) for key, target in TARGETS.items()]


def _worse(target: Target, first: Summary, other: Summary) -> Summary:
    order = sorted((first, other), key=lambda summary: summary.middle)
    return order[0] if target.better == "more" else order[1]


def _summary(runs: Sequence[Figure]) -> Summary:
    totals = [sum(figure.cpu_us.values()) for figure in runs if figure.cpu_us]
    others = [figure.other_cores for figure in runs if figure.other_cores is not None]
    return Summary(
        name=runs[0].name,
        unit=runs[0].unit,
        values=[figure.value for figure in runs],
        towards=runs[0].towards,
        cpu_us=_medians([figure.cpu_us for figure in runs]),
        cpu_us_all=(min(totals), median(totals), max(totals)) if totals else None,
        other_cores=max(others) if others else None,
        more=_medians([figure.more for figure in runs]),
    )


def _medians(runs: Sequence[dict[str, float]]) -> dict[str, float]:
    """Of each key, over the runs that have it."""
    keys = dict.fromkeys(key for values in runs for key in values)
    return {key: median(values[key] for values in runs if key in values) for key in keys}
