"""PromQL as tests look at it: what an expression names, and whether that exists."""

import re
from collections.abc import Iterator

import promql_parser
from promql_parser import AggModifier, AggregateExpr, BinaryExpr, BinModifier, Expr, VectorSelector

from tocsin.observability.unlocked_metrics import Counter, Gauge, Histogram
from tocsin.specifications.alerts.objectives import BURN, COUNTED, LEFT, MISSED, RECENT
from tocsin.specifications.dashboards import DASHBOARDS
from tocsin.specifications.dashboards.panels import WINDOW, Kind
from tocsin.specifications.metric_queries import query_of
from tocsin.specifications.metrics_page import sections
from tocsin.specifications.on_call_questions import ON_CALL

OF_PROMETHEUS = {"job", "instance"}
"""Labels that every series gets as it is scraped."""
NOT_OURS = ("up", "scrape_samples_scraped", "process_cpu_seconds_total", "process_start_time_seconds", "process_resident_memory_bytes", "process_open_fds", "process_max_fds")  # fmt: skip
"""What Prometheus tells of a target, and Python's client of its process."""


def _series() -> Iterator[tuple[str, set[str]]]:
    for metric in (metric for under in sections().values() for metric in under):
        labels = set(metric._labelnames)
        match metric:
            case Counter():
                yield f"{metric._name}_total", labels
            case Histogram():
                yield from (
                    (f"{metric._name}{part}", labels | ({"le"} if part == "_bucket" else set()))
                    for part in ("_bucket", "_count", "_sum")
                )
            case Gauge():
                yield metric._name, labels


RECORDED = {record: {"lane", "objective"} for record in (COUNTED, MISSED, f"{BURN}:{RECENT}", LEFT)}
"""What the rules make of ours."""
LABELS = dict(_series()) | {name: set[str]() for name in NOT_OURS} | RECORDED
"""The labels of each series that may be asked for."""


def filled(expression: str, *, window: str = "5m") -> str:
    """The expression with every variable at its widest."""
    return re.sub(r"\$[a-z]+", ".*", expression.replace(WINDOW, window))


def of_dashboards(*, empty: bool = False) -> dict[str, str]:
    """Every expression for Prometheus in a dashboard, by where it stands: of panels that always show something, or of those that are
    empty while nothing is wrong."""
    return {
        f"{dashboard.name}: {panel.title} ({query.legend})": query.expression
        for dashboard in DASHBOARDS
        for panel in dashboard.panels
        for query in panel.queries
        if panel.kind in (Kind.LINES, Kind.NUMBER) and bool(panel.empty) == empty
    }


def of_questions() -> dict[str, str]:
    """Every expression of docs/operations/metrics.md, by its question or metric."""
    of_metrics = {metric._name: query_of(metric) for under in sections().values() for metric in under}
    return ON_CALL | of_metrics


def faults(expression: str, *, also: dict[str, set[str]] | None = None) -> list[str]:
    """The names in it that do not exist; raises ValueError where it is no PromQL. `also`: series, with their labels, that others define."""
    labels_of = LABELS | (also or {})
    parts = _parts(promql_parser.parse(filled(expression)))
    series = [part for part in parts if isinstance(part, VectorSelector)]
    known = OF_PROMETHEUS.union(*(labels_of.get(str(selector.name), set()) for selector in series))
    wrong = [f"there is no series {selector.name}" for selector in series if selector.name not in labels_of]
    for selector in series:
        asked = {matcher.name for matcher in selector.matchers.matchers}
        wrong += [
            f"{selector.name} has no label {label}"
            for label in asked - OF_PROMETHEUS - labels_of.get(str(selector.name), asked)
        ]
    for part in parts:
        named = _named(part)
        wrong += [f"nothing in it has a label {label}" for label in named - known]
    return wrong


def series_of(expression: str) -> set[str]:
    """The names of the series that it reads."""
    parts = _parts(promql_parser.parse(filled(expression)))
    return {str(part.name) for part in parts if isinstance(part, VectorSelector)}


def _named(part: Expr) -> set[str]:
    """The labels by which series are put together."""
    match part:
        case AggregateExpr(modifier=AggModifier(labels=labels)):
            return set(labels)
        case BinaryExpr(modifier=BinModifier() as modifier):
            matching = modifier.matching.labels if modifier.matching else []
            return {*matching, *(modifier.group_labels or [])}
        case _:
            return set()


def _parts(parsed: Expr) -> list[Expr]:
    parts: list[Expr] = []
    promql_parser.walk(parsed, lambda part: parts.append(part))  # noqa: PLW0108 -- what it returns must be None
    return parts
