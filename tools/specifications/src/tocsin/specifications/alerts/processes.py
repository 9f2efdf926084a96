"""Alerts on processes."""

from typing import Final

from tocsin.specifications.alerts.alert import JOB, Alert, Severity

_READY: Final = "min by (component, instance) (tocsin_ready)"
_ANSWERS: Final = "on (component, instance) tocsin_http_connections_limit"
"""The process answers an API. Workers of the router do not, nor does the witness, which is the component `ledger`, too."""

PROCESSES: Final = (
    Alert(
        name="TocsinComponentNotReady",
        severity=Severity.PAGE,
        expression=f"max by (component) ({_READY}) == 0\nor\nmax by (component) ({_READY} and {_ANSWERS}) == 0",
        wait="1m",
        summary="No process of {{ $labels.component }} is ready, or none that answers its API",
        users="Ingest, router API, ledger: callers get errors. Others: messages stand still.",
    ),
    Alert(
        name="TocsinNotReady",
        severity=Severity.TICKET,
        expression="min by (component, check) (tocsin_ready) == 0",
        wait="5m",
        summary="A process of {{ $labels.component }} is not ready: {{ $labels.check }}",
        users="Nothing while others of its kind are ready.",
    ),
    Alert(
        name="TocsinRestarts",
        severity=Severity.TICKET,
        expression=f"changes(process_start_time_seconds{{{JOB}}}[30m]) >= 3",
        wait="0s",
        summary="The process at {{ $labels.instance }} has started three times within half an hour",
        users="Messages are late for seconds at each start, up to twenty.",
    ),
    Alert(
        name="TocsinRejoins",
        severity=Severity.TICKET,
        expression="sum by (component, lane, cause) (increase(tocsin_rejoins_total[1h])) >= 2",
        wait="0s",
        summary="{{ $labels.component }} loses its part of {{ $labels.lane }} again and again: {{ $labels.cause }}",
        users="Messages of the lane are late for seconds each time.",
    ),
    Alert(
        name="TocsinSweepLate",
        severity=Severity.TICKET,
        expression="min by (table) (tocsin_sweep_age_seconds) > 1800",
        wait="10m",
        summary="Expired rows of {{ $labels.table }} are deleted more slowly than they expire",
        users="Nothing yet; the router's database grows and slows down.",
        labels={"component": "router"},
    ),
)
