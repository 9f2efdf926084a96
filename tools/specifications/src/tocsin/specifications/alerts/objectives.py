"""How well each lane is to work, and the alerts that say so when too much of what may go wrong in 30 days goes wrong too fast.

`tocsin:objective_counted:rate5m` and `tocsin:objective_missed:rate5m` are messages (of ingest: requests) a second: all that an objective
counts, and those that missed it. A longer window is the average of these, which costs little and does not depend on which Pods still live.
`tocsin:objective_burn:<window>` is the share missed, divided by the share that may be missed: at 1 the budget is used up after 30 days, at 14.4
after two.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from tocsin.contracts.vocabulary import Lane
from tocsin.specifications.alerts.alert import Alert, Severity

COUNTED: Final = "tocsin:objective_counted:rate5m"
MISSED: Final = "tocsin:objective_missed:rate5m"
SENT: Final = "tocsin:handed_over:rate5m"
EXPIRED: Final = "tocsin:expired:rate5m"
ENDED: Final = "tocsin:ended:rate5m"
BUDGET: Final = "tocsin:objective_budget"
BURN: Final = "tocsin:objective_burn"
TO_BE_SENT: Final = 'fault!="recipient",status!="cancelled",provider!="sandbox"'
"""Of `tocsin_deliveries_total`: all but those that end by a fault of their recipient, or were cancelled. Test keys' messages go to the sandbox."""
NOT_SENT: Final = 'fault!~"none|recipient",provider!="sandbox"'
"""Those of them that failed."""
TO_INGEST: Final = 'component="ingest",route!~"/livez|/readyz|/metrics"'
"""Of `tocsin_http_requests_total`: without probes."""
MONTH: Final = "30d"
LEFT: Final = f"tocsin:objective_budget_left:{MONTH}"
RECENT: Final = "5m"
HOURS: Final = ("30m", "1h", "2h", "6h")
DAYS: Final = ("1d", "3d", MONTH)

RATES_EVERY: Final = 30
"""Seconds between two samples of the rates. Their sum times this is a number of messages, also while a series is younger than its window."""
LEAST_MISSED: Final = 10
"""Fewer than these missed within the long window raise no alert. At 20 messages an hour one that fails is 5 % of them, fifty times the budget of the
critical lane, and tells nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """`share` of what is counted must do well; `within` is in seconds, where it is about time."""

    name: str
    lane: str
    share: float
    within: float | None = None

    @property
    def budget(self) -> float:
        """The share that may miss it."""
        return round(1 - self.share, 6)


_LANES: Final = (
    (Lane.CRITICAL.value, 0.999, 10.0),
    (Lane.TRANSACTIONAL.value, 0.995, 60.0),
    (Lane.BULK.value, 0.99, 3600.0),
)
OBJECTIVES: Final = (
    *(Objective(name="late", lane=lane, share=share, within=seconds) for lane, share, seconds in _LANES),
    *(Objective(name="unsent", lane=lane, share=share) for lane, share, _ in _LANES),
    Objective(name="ingest", lane="none", share=0.999),
)


class Recording(NamedTuple):
    """A series that is computed from others."""

    record: str
    expression: str
    labels: dict[str, str]


class Burn(NamedTuple):
    """The budget is used up so many times as fast as it may be, over both windows: the long one shows that it matters, the short one that it goes on."""

    times: float
    long: str
    short: str


FAST: Final = (Burn(14.4, "1h", "5m"), Burn(6, "6h", "30m"))
SLOW: Final = (Burn(3, "1d", "2h"), Burn(1, "3d", "6h"))


def rates() -> Iterator[Recording]:
    """What all else is computed from, in the order in which they build on one another."""
    for objective in OBJECTIVES:
        about = {"objective": objective.name, "lane": objective.lane}
        yield Recording(BUDGET, f"vector({objective.budget:g})", about)
    yield from _sent_and_expired()
    yield from _late()
    yield from _unsent()
    yield from _ingest()
    yield _burn(RECENT, MISSED, COUNTED)


def burns(windows: Iterable[str]) -> Iterator[Recording]:
    """How fast each budget is used up, over each of the windows."""
    for window in windows:
        yield _burn(window, f"avg_over_time({MISSED}[{window}])", f"avg_over_time({COUNTED}[{window}])")
        if window == MONTH:
            yield Recording(LEFT, f"1 - {BURN}:{MONTH}", {})


def _burn(window: str, missed: str, counted: str) -> Recording:
    """`> 0`: where nothing was counted there is no share, and not 0/0."""
    share = f"{missed} / ({counted} > 0)"
    return Recording(f"{BURN}:{window}", f"{share} / on (objective, lane) {BUDGET}", {})


def _sent_and_expired() -> Iterator[Recording]:
    """Messages a second by lane, 0 where there were none: a counter that has counted nothing yet may have no series, and a sum with what is not
    there is not there either. What nobody handed over in time expired in a dispatcher, or in the router before it."""
    yield Recording(SENT, 'sum by (lane) (rate(tocsin_hand_off_seconds_count{outcome="sent"}[5m]))', {})
    expired = "\n+ ".join(
        f'(sum by (lane) (rate({counter}{{status="expired"}}[5m])) or 0 * {SENT})'
        for counter in ("tocsin_deliveries_total", "tocsin_decisions_total")
    )
    yield Recording(EXPIRED, expired, {})


def _late() -> Iterator[Recording]:
    yield Recording(COUNTED, f"{SENT} + {EXPIRED}", {"objective": "late"})
    for objective in OBJECTIVES:
        if objective.name == "late":
            lane = f'lane="{objective.lane}"'
            in_time = f'tocsin_hand_off_seconds_bucket{{outcome="sent",le="{objective.within}",{lane}}}'
            yield Recording(
                MISSED,
                f"{SENT}{{{lane}}} - sum by (lane) (rate({in_time}[5m])) + {EXPIRED}{{{lane}}}",
                {"objective": "late", "lane": objective.lane},
            )


def _unsent() -> Iterator[Recording]:
    """Of all deliveries but those that end by a fault of their recipient, or were cancelled. What expired in the router is added to both."""
    about = {"objective": "unsent"}
    yield Recording(ENDED, f"sum by (lane) (rate(tocsin_deliveries_total{{{TO_BE_SENT}}}[5m]))", {})
    missed = f"sum by (lane) (rate(tocsin_deliveries_total{{{NOT_SENT}}}[5m]))"
    in_router = f'(sum by (lane) (rate(tocsin_decisions_total{{status="expired"}}[5m])) or 0 * {ENDED})'
    yield Recording(COUNTED, f"{ENDED} + {in_router}", about)
    yield Recording(MISSED, f"({missed} or 0 * {ENDED}) + {in_router}", about)


def _ingest() -> Iterator[Recording]:
    about = {"objective": "ingest", "lane": "none"}
    requests = f"tocsin_http_requests_total{{{TO_INGEST}"
    counted = f"sum(rate({requests}}}[5m]))"
    yield Recording(COUNTED, counted, about)
    yield Recording(MISSED, f'sum(rate({requests},status=~"5.."}}[5m])) or 0 * {counted}', about)


def _burns(objective: str, burns: tuple[Burn, ...]) -> str:
    about = f'{{objective="{objective}"}}'
    return "\nor\n".join(
        f"(\n"
        f"  {BURN}:{burn.long}{about} > {burn.times:g}\n"
        f"  and {BURN}:{burn.short}{about} > {burn.times:g}\n"
        f"  and sum_over_time({MISSED}{about}[{burn.long}]) * {RATES_EVERY} >= {LEAST_MISSED}\n"
        f")"
        for burn in burns
    )


def _pair(
    name: str, objective: str, what: str, *, users: str, labels: Mapping[str, str] | None = None
) -> tuple[Alert, Alert]:
    """One that wakes somebody, and one that waits for the day."""
    return (
        Alert(
            name=f"{name}Fast",
            severity=Severity.PAGE,
            expression=_burns(objective, FAST),
            wait="0s",
            summary=f"{what}, fast enough to use up the month's budget in days",
            users=users,
            labels=labels or {},
        ),
        Alert(
            name=f"{name}Slow",
            severity=Severity.TICKET,
            expression=_burns(objective, SLOW),
            wait="0s",
            summary=f"{what}, often enough to use up the month's budget",
            users=users,
            labels=labels or {},
        ),
    )


BURN_ALERTS: Final = (
    *_pair(
        "TocsinLate",
        "late",
        "Messages of {{ $labels.lane }} are handed over late",
        users="Messages come later than the lane promises: a login code is of no use any more, an order mail surprises nobody.",
    ),
    *_pair(
        "TocsinUnsent",
        "unsent",
        "Messages of {{ $labels.lane }} are not sent",
        users="Messages do not come at all, although the recipients' addresses are right.",
    ),
    *_pair(
        "TocsinIngestErrors",
        "ingest",
        "Ingest answers with 5xx",
        users="Applications that send get errors; those that do not repeat lose the message.",
        labels={"component": "ingest"},
    ),
)
