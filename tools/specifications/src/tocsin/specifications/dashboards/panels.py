"""The form in which dashboards are written down: plain data, from which the files for Grafana and the page of `make observe` are made."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tocsin.contracts.vocabulary import Lane

WINDOW: Final = "$__rate_interval"
"""Grafana's word for a range that holds four scrapes at least; the page puts its own in its place."""
USUAL: Final = " p50"
"""How the name of a series ends that is the median: it is drawn with dashes."""
COLOURS: Final = {Lane.CRITICAL: "#d64550", Lane.TRANSACTIONAL: "#3f7fd1", Lane.BULK: "#c98a1b"}
"""A lane has one colour wherever it is drawn. They differ in lightness too, and are seen on white and on black."""


class Unit(StrEnum):
    """What a panel's values are, in Grafana's words."""

    NUMBER = "short"
    SECONDS = "s"
    BYTES = "bytes"
    SHARE = "percentunit"
    PER_SECOND = "suffix:/s"


class Kind(StrEnum):
    """How a panel shows its answer."""

    LINES = "timeseries"
    NUMBER = "stat"
    """The latest value alone."""
    TEXT = "text"
    LOGS = "logs"
    TRACE = "traces"


@dataclass(frozen=True, kw_only=True)
class Query:
    """An expression, and what its series are called: `{{label}}` is the label's value."""

    expression: str
    legend: str


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One picture. `question` is what it answers.

    `bad_from` is the value from which a number is drawn in red. `exemplars` shows single messages as points on the lines. `empty` says why
    the panel shows nothing where nothing is wrong. `width` is of 24. `text` is what a panel of text says.
    """

    title: str
    question: str
    unit: Unit = Unit.NUMBER
    queries: tuple[Query, ...] = ()
    kind: Kind = Kind.LINES
    width: int = 8
    bad_from: float | None = None
    exemplars: bool = False
    empty: str = ""
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class Row:
    """Panels that belong together."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A variable whose values are those that the label `name` has on `metric`; a dashboard shows all of them, or one."""

    name: str
    title: str
    metric: str
    begins_with: str = ""
    """The value shown at first; empty: all."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A variable that a person types in."""

    name: str
    title: str


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """One page. `name` is its file's and its address's."""

    name: str
    title: str
    question: str
    rows: tuple[Row, ...]
    choices: tuple[Choice, ...] = ()
    entries: tuple[Entry, ...] = ()

    @property
    def panels(self) -> tuple[Panel, ...]:
        """All of them, from top to bottom."""
        return tuple(panel for row in self.rows for panel in row.panels)


def lines(title: str, question: str, unit: Unit, *queries: Query, width: int = 8, exemplars: bool = False, empty: str = "") -> Panel:  # fmt: skip
    """A panel of lines over time."""
    return Panel(
        title=title,
        question=question,
        unit=unit,
        queries=queries,
        width=width,
        exemplars=exemplars,
        empty=empty,
    )


def number(title: str, question: str, expression: str, *, bad_from: float | None = 1, unit: Unit = Unit.NUMBER) -> Panel:  # fmt: skip
    """A panel of one number."""
    query = Query(expression=expression, legend=title)
    return Panel(
        title=title,
        question=question,
        unit=unit,
        queries=(query,),
        kind=Kind.NUMBER,
        width=4,
        bad_from=bad_from,
    )
