"""The order of a timeline, each status once, and what is told of a decision."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from tocsin.contracts.codec import encode
from tocsin.contracts.intents import Intent, IntentPrivate
from tocsin.contracts.statuses import ChannelDecision, Target, decision_of
from tocsin.contracts.vocabulary import Lane, Outcome
from tocsin.kafka import ConsumerRecord
from tocsin.ledger.history import DecisionRow, StatusRow, deduplicated, in_order, told
from tocsin.ledger.reading import stored_row_of
from tocsin.ledger.tables import STATUSES

Happened = Callable[..., StatusRow]
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOTIFICATION = "5a0f4f4e-0000-5000-8000-000000000001"


def words(rows: list[StatusRow]) -> list[str]:
    return [row.status for row in rows]


def test_what_was_recorded_late_stands_where_it_happened(happened: Happened) -> None:
    late = happened("deferred", 2, to="email", stored_at=happened("accepted").at + timedelta(seconds=9))
    sent = happened("sent", 3, to="email")
    assert words(in_order([sent, late, happened("accepted", 0)])) == ["accepted", "deferred", "sent"]


def test_a_clock_that_is_behind_puts_nothing_before_its_event(happened: Happened) -> None:
    early = happened("routed", -5, to="email")
    assert words(in_order([early, happened("accepted", 0)])) == ["accepted", "routed"]


def test_equal_times_stand_as_they_were_stored(happened: Happened) -> None:
    both = [happened("skipped", 1, to="sms", offset=8), happened("routed", 1, to="email", offset=7)]
    assert words(in_order(both)) == ["routed", "skipped"]


def test_two_uses_of_an_id_stand_one_after_the_other(happened: Happened) -> None:
    second = {"origin": "events/0/9"}
    mixed = [
        happened("sent", 102, to="email", **second),
        happened("sent", 2, to="email"),
        happened("accepted", 100, **second),
        happened("duplicate", 50, origin="events/0/5"),
        happened("accepted", 0),
    ]
    assert words(in_order(mixed)) == ["accepted", "sent", "duplicate", "accepted", "sent"]


def test_of_a_status_written_twice_the_first_row_counts(happened: Happened) -> None:
    first = happened("sent", 1, to="email", offset=5)
    again = happened("sent", 1, to="email", offset=5, stored_at=first.stored_at + timedelta(days=1))
    assert deduplicated([again, first]) == [first]


def decided(outcome: str, *targets: Target, **fields: Any) -> list[str]:
    """What a decision with this outcome says, read back from its row."""
    intent = Intent(
        tenant="acme", notification_id=NOTIFICATION, event_source="s", event_id="e1", event_type="t", event_time=AT,
        workflow="w", recipient="ann", lane=Lane.BULK, private=IntentPrivate(), origin="e/0/1", cause="e/0/1",
    )  # fmt: skip
    channels = [ChannelDecision(step="1", channel="email", rules=[], targets=list(targets))]
    decision = decision_of(
        intent, Outcome(outcome), lane=Lane.BULK, cause="c/0/1", at=AT, rules=[], channels=channels if targets else [], **fields
    )  # fmt: skip
    record = ConsumerRecord("s", 0, 7, round(AT.timestamp() * 1000), b"k", encode(decision))
    whole = dict(zip(STATUSES.columns, STATUSES.rows_of(record)[-1], strict=True))
    row = stored_row_of({name: value for name, value in whole.items() if name != "day"})
    assert isinstance(row, DecisionRow)
    return words(list(told(row)))


def test_a_decision_tells_that_its_notification_was_accepted_and_what_became_of_each_target() -> None:
    assert decided("decided", target("routed"), target("skipped")) == ["accepted", "routed", "skipped"]
    assert decided("failed") == ["accepted", "failed"]


def test_what_waits_was_accepted_and_tells_that_no_second_time() -> None:
    due = AT + timedelta(days=1)
    assert decided("scheduled", due_at=due) == ["accepted", "scheduled"]
    assert decided("scheduled", due_at=due, again="turn") == ["scheduled"]
    assert decided("decided", target("routed"), again="turn") == ["routed"]
    assert decided("expired", again="turn") == ["expired"]


def test_a_duplicate_was_not_accepted() -> None:
    assert decided("duplicate") == ["duplicate"]


def test_one_delivery_decided_again_is_told_once_however_it_ends() -> None:
    assert decided("decided", target("routed"), again="recheck") == ["routed"]
    assert decided("expired", target("expired"), again="recheck") == ["expired"]


def target(outcome: str) -> Target:
    return Target(NOTIFICATION, "email", None, outcome, None, None)
