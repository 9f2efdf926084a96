"""The shapes that most expressions have."""

from tocsin.specifications.dashboards.panels import USUAL, WINDOW, Query

LANES = 'lane=~"critical|transactional|bulk"'
"""Without the group that reads dead letters, which has no lane."""
OURS = 'job=~"(.*/)?tocsin"'
"""Our processes among all targets: the job is called as the PodMonitor is, in Kubernetes after its namespace."""


def rate(metric: str, *, by: str, where: str = "") -> str:
    """How many a second."""
    return f"sum by ({by}) (rate({metric}{_matching(where)}[{WINDOW}]))"


def quantile(of: float, metric: str, *, by: str, where: str = "") -> str:
    """The value that so large a part of the observations stays below; `metric` is a histogram's name."""
    return (
        f"histogram_quantile({of:g}, sum by ({by}, le) (rate({metric}_bucket{_matching(where)}[{WINDOW}])))"
    )


def largest(metric: str, *, by: str, where: str = "") -> str:
    """The largest of what processes say."""
    return f"max by ({by}) ({metric}{_matching(where)})"


def total(metric: str, *, by: str, where: str = "") -> str:
    """What all processes have together."""
    return f"sum by ({by}) ({metric}{_matching(where)})"


def how_many(expression: str) -> str:
    """The number of series, 0 where there is none."""
    return f"count({expression}) or vector(0)"


def query(expression: str, legend: str = "{{lane}}") -> Query:
    """An expression and what its series are called."""
    return Query(expression=expression, legend=legend)


def median_and_99th(
    metric: str, *, by: str, where: str = "", legend: str = "{{lane}}"
) -> tuple[Query, Query]:
    """What is usual, and what one of a hundred exceeds."""
    return (
        query(quantile(0.99, metric, by=by, where=where), f"{legend} p99"),
        query(quantile(0.5, metric, by=by, where=where), f"{legend}{USUAL}"),
    )


def _matching(where: str) -> str:
    return f"{{{where}}}" if where else ""
