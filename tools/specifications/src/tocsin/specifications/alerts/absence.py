"""Alerts on what is not there. A process is no witness of its own death: its series end with it."""

from typing import Final

from tocsin.specifications.alerts.alert import JOB, Alert, Severity
from tocsin.specifications.alerts.waiting import AFTERWARDS, SENDING

_BUILT: Final = "tocsin_build_info"
_API: Final = "tocsin_http_connections_limit"
"""Only a process that answers an API has it: no worker of the router, and no witness, which is the component `ledger`, too."""
NEEDED: Final = (("ingest", _BUILT), ("router", _BUILT), ("scheduler", _BUILT), ("ledger", _API))
"""Components that every installation has, and what shows that each is there. Of dispatchers it has those that it needs."""

_ROUTED: Final = 'tocsin_consumed_records_total{component="router",kind="events"}'


def _gone() -> str:
    absent = "\nor\n".join(f'absent({series}{{component="{name}"}})' for name, series in NEEDED)
    # A name of its own: without the API workers may well work, and what waits for them must not be silenced.
    router_api = f'label_replace(absent({_API}{{component="router"}}), "component", "router-api", "component", "router")'
    dispatchers = (
        f'count by (component) (count_over_time({_BUILT}{{component=~"dispatch-.*"}}[1d]))\n'
        f"  unless count by (component) ({_BUILT})"
    )
    return f"{absent}\nor\n{router_api}\nor\n(\n  {dispatchers}\n)"


def _unserved(groups: str) -> str:
    """Whoever does without a channel has nobody in its groups: they count if they had somebody within a day, or if something waits for them."""
    return (
        f"max by (component, lane) (tocsin_group_members{{{groups}}}) == 0\n"
        "and on (component, lane) (\n"
        f"  max by (component, lane) (max_over_time(tocsin_group_members{{{groups}}}[1d])) > 0\n"
        f"  or sum by (component, lane) (tocsin_group_lag_messages{{{groups}}}) > 0\n"
        ")"
    )


ABSENCE: Final = (
    Alert(
        name="TocsinComponentGone",
        severity=Severity.PAGE,
        expression=_gone(),
        wait="30s",
        summary="No process of {{ $labels.component }} answers",
        users="Ingest: applications get errors. Router, scheduler, dispatchers: messages stand still. Router API: unsubscribes and changes do not count. Ledger: no timelines.",
    ),
    Alert(
        name="TocsinLaneUnserved",
        severity=Severity.PAGE,
        expression=_unserved(SENDING),
        wait="30s",
        summary="Nobody in {{ $labels.component }} reads the lane {{ $labels.lane }}",
        users="Messages of this lane stand still; others are sent.",
    ),
    Alert(
        name="TocsinGroupUnserved",
        severity=Severity.TICKET,
        expression=_unserved(AFTERWARDS),
        wait="5m",
        summary="Nobody in {{ $labels.component }} reads the lane {{ $labels.lane }}",
        users="Timelines lag behind, or devices that are gone are tried again. Messages are sent as ever.",
    ),
    Alert(
        name="TocsinAcceptedNotRouted",
        severity=Severity.PAGE,
        # The last line: a router's counter is born with the first record it reads, which is no increase.
        expression=(
            "sum by (lane) (rate(tocsin_ingest_accepted_events_total[1m])) > 0\n"
            "unless on (lane) (\n"
            f"  sum by (lane) (rate({_ROUTED}[1m])) > 0\n"
            f"  or sum by (lane) ({_ROUTED} unless {_ROUTED} offset 2m) > 0\n"
            ")"
        ),
        wait="30s",
        summary="Events of {{ $labels.lane }} are accepted, and no router reads them",
        users="Messages of the lane stand still.",
        labels={"component": "router"},
    ),
    Alert(
        name="TocsinShardUnheld",
        severity=Severity.PAGE,
        expression="sum by (component, lane) (tocsin_shards_held)\n< max by (component, lane) (tocsin_shards)",
        wait="2m",
        summary="Part of {{ $labels.lane }} is held by nobody in {{ $labels.component }}",
        users="Messages of the recipients in these partitions stand still.",
    ),
    Alert(
        name="TocsinWitnessBlind",
        severity=Severity.PAGE,
        expression="absent(tocsin_witness_up)\nor\nmax(tocsin_witness_up) == 0",
        wait="1m",
        summary="The witness does not see the groups, so no alert on what waits can fire",
        users="Nothing by itself. If Kafka is away: messages stand still.",
    ),
    Alert(
        name="TocsinTargetDown",
        severity=Severity.TICKET,
        expression=f"up{{{JOB}}} == 0",
        wait="2m",
        summary="{{ $labels.instance }} does not answer Prometheus",
        users="Nothing while others of its kind work; each one less makes the next failure worse.",
    ),
)
