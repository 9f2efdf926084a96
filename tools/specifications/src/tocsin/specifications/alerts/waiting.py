"""Alerts on what waits: as the witness sees it from outside, so that they also fire for a process that is frozen or gone."""

from typing import Final

from tocsin.specifications.alerts.alert import Alert, Severity

SENDING: Final = 'component=~"router|scheduler|dispatch-.*"'
"""The groups on a message's way."""
AFTERWARDS: Final = 'component=~"ledger|router-feedback"'
"""The groups that read what became of it."""


def _oldest(groups: str) -> str:
    """How old it was when the witness saw it last: while it sees nothing, nobody knows whether that still waits."""
    return (
        f"max by (component, lane, kind) (tocsin_group_oldest_seconds{{{groups}}}"
        " - on (job, instance) group_left () tocsin_witness_look_age_seconds)"
    )


def _of_lane(lane: str) -> str:
    return _oldest(f'{SENDING},lane="{lane}"')


_OUTBOX: Final = "max by (component) (tocsin_directory_outbox_age_seconds{change"
_PUBLISHED: Final = (
    'sum by (component) (rate(tocsin_produced_records_total{component="router",kind=~"directory|stops"}[1m]))'
)


WAITING: Final = (
    Alert(
        name="TocsinRecordsWait",
        severity=Severity.PAGE,
        expression=f"{_of_lane('critical')} > 10\nor\n{_of_lane('transactional')} > 60",
        wait="15s",
        summary="{{ $labels.component }} leaves {{ $labels.kind }} of {{ $labels.lane }} unread for longer than the lane may take",
        users="Messages of the lane are late, all of them or those of some partitions.",
    ),
    Alert(
        name="TocsinBulkWaits",
        severity=Severity.TICKET,
        expression=f"{_of_lane('bulk')} > 3600",
        wait="5m",
        summary="{{ $labels.component }} leaves {{ $labels.kind }} of {{ $labels.lane }} unread for more than an hour",
        users="Newsletters and the like are late.",
    ),
    Alert(
        name="TocsinStuckPartition",
        severity=Severity.PAGE,
        expression="max by (component, lane, kind, partition) (tocsin_last_stable_offset_age_seconds) > 20",
        wait="15s",
        summary="An open transaction holds up readers of {{ $labels.kind }}, {{ $labels.lane }}, partition {{ $labels.partition }}",
        users="Messages of the recipients in this partition stand still.",
    ),
    Alert(
        name="TocsinLeaderless",
        severity=Severity.PAGE,
        expression="max by (lane, kind) (tocsin_group_unseen_partitions) > 0",
        wait="30s",
        summary="{{ $value }} partitions of {{ $labels.kind }}, {{ $labels.lane }}, have no leader, or their readers no coordinator",
        users="Messages of the recipients in these partitions stand still, and ingest answers 503 for their events. All others are sent.",
    ),
    Alert(
        name="TocsinTimersLate",
        severity=Severity.PAGE,
        expression='max by (lane) (tocsin_oldest_due_timer_seconds{lane!="bulk"}) > 30',
        wait="30s",
        summary="What was due on {{ $labels.lane }} has not been let go",
        users="Scheduled messages, and those that are tried again, are late.",
        labels={"component": "scheduler"},
    ),
    Alert(
        name="TocsinOutboxOld",
        severity=Severity.PAGE,
        # A large import may wait for long, as it goes behind single changes: it stands still where nothing is published. The former release
        # tells the two apart by no label; its changes count as single ones.
        expression=(
            f'{_OUTBOX}!="import"}}) > 20\n'
            f'or\n{_OUTBOX}="import"}}) > 60\n'
            f"  unless on (component) {_PUBLISHED} > 0"
        ),
        wait="10s",
        summary="Changes of the directory have not been in force for {{ $value | humanizeDuration }}",
        users="Unsubscribes and revoked API keys do not count yet; new workflows and recipients are unknown.",
    ),
    Alert(
        name="TocsinCopyOld",
        severity=Severity.PAGE,
        expression="max by (component, kind) (tocsin_copy_age_seconds) > 30",
        wait="1m",
        summary="The copy of {{ $labels.kind }} in {{ $labels.component }} is too old for optional messages",
        users="Optional messages wait; required ones go out.",
    ),
    Alert(
        name="TocsinStatusReadLate",
        severity=Severity.TICKET,
        expression=f"{_oldest(AFTERWARDS)} > 300",
        wait="5m",
        summary="{{ $labels.component }} leaves {{ $labels.kind }} of {{ $labels.lane }} unread for more than five minutes",
        users="Timelines lag behind. Messages are sent as ever.",
    ),
    Alert(
        name="TocsinOverdue",
        severity=Severity.PAGE,
        # `min`: a ledger that has just started counts all at once what others counted long ago.
        expression=(
            "max by (lane) (tocsin_overdue_notifications)\n"
            "> min by (lane) (min_over_time(tocsin_overdue_notifications[1h]))"
        ),
        wait="0s",
        summary="Messages of {{ $labels.lane }} are past their expiry, and nobody knows how they ended",
        users="Messages may be lost; whoever asks for their timelines finds no end.",
    ),
)
