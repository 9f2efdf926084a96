"""Alerts on records that nobody can handle, and on events that are not taken."""

from typing import Final

from tocsin.specifications.alerts.alert import Alert, Severity

_UNREADABLE: Final = 'tocsin_dead_letters_total{reason="record_unreadable"}'
_REFUSED: Final = 'tocsin_dead_letters_total{reason!="record_unreadable"}'
_HELD: Final = "tocsin_producer_buffered_bytes / tocsin_producer_buffered_limit_bytes"

REFUSALS: Final = (
    Alert(
        name="TocsinPoison",
        severity=Severity.PAGE,
        expression=f"sum by (component, lane) (rate({_REFUSED}[1m])) > 1",
        wait="15s",
        summary="{{ $value | humanize }} records a second of {{ $labels.lane }} are refused by {{ $labels.component }}",
        users="No message comes of these records. Those of other producers in the lane wait behind them.",
    ),
    Alert(
        name="TocsinDeadLetters",
        severity=Severity.TICKET,
        expression=f"sum by (component, lane, reason) (increase({_REFUSED}[15m])) > 0",
        wait="1m",
        summary="Records of {{ $labels.lane }} are refused by {{ $labels.component }}: {{ $labels.reason }}",
        users="No message comes of these records.",
    ),
    Alert(
        name="TocsinUnreadableRecords",
        severity=Severity.PAGE,
        expression=(
            f"sum by (component, lane) (increase({_UNREADABLE}[5m])) > 0\n"
            'or\nsum by (component, lane) (increase(tocsin_processed_messages_total{outcome="unreadable"}[5m])) > 0\n'
            "or\nsum by (component) (increase(tocsin_cancellations_unreadable_total[5m])) > 0"
        ),
        wait="0s",
        summary="{{ $labels.component }} meets records that only Tocsin writes, and cannot read them",
        users="The messages in these records are not sent, or their statuses are missing.",
    ),
    Alert(
        name="TocsinUnusableOffsets",
        severity=Severity.PAGE,
        expression="max by (component, lane) (tocsin_unusable_offsets) > 0",
        wait="0s",
        summary="{{ $labels.component }} waits on {{ $labels.lane }} until you say where to read on",
        users="Messages of the lane stand still.",
    ),
    Alert(
        name="TocsinChangeSetAside",
        severity=Severity.TICKET,
        expression="sum by (component, entity) (increase(tocsin_directory_set_aside_total[1h])) > 0",
        wait="0s",
        summary="A {{ $labels.entity }} will never be in force: no record can hold it",
        users="One tenant's change has no effect, and the tenant was not told.",
    ),
    Alert(
        name="TocsinIngestRefuses",
        severity=Severity.PAGE,
        expression='sum by (code) (rate(tocsin_ingest_refused_events_total{code=~"overloaded|not_known_to_be_stored"}[1m])) > 0.1',
        wait="1m",
        summary="Ingest cannot store events: {{ $labels.code }}",
        users="Applications get 503 and have to repeat.",
        labels={"component": "ingest"},
    ),
    Alert(
        name="TocsinProducerFull",
        severity=Severity.PAGE,
        expression=f"max by (component) ({_HELD}) > 0.8",
        wait="1m",
        summary="Kafka takes less than {{ $labels.component }} writes: its producer is nearly full",
        users="Soon ingest answers 503, and others stand still.",
    ),
)
