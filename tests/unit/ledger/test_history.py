"""The order of a timeline, and each status once."""

from collections.abc import Callable
from datetime import timedelta

from tocsin.ledger.history import StatusRow, deduplicated, in_order

Happened = Callable[..., StatusRow]


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
