"""What became of a notification, from what happened to it, in whatever order it comes."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.unit.ledger.conftest import happened

from tocsin.contracts.statuses import Receipt
from tocsin.ledger.history import StatusRow, deduplicated
from tocsin.ledger.summaries import State, summarise

Happened = Callable[..., StatusRow]

# what happened: (status, seconds, to) each; the state; the state by channel; when it was finished, in seconds
TABLE: list[tuple[list[tuple[Any, ...]], str, dict[str, str], float | None]] = [
    ([("accepted", 0)], "accepted", {}, None),
    ([("accepted", 0), ("scheduled", 1)], "scheduled", {}, None),
    ([("accepted", 0), ("scheduled", 1), ("scheduled", 2)], "scheduled", {}, None),
    ([("accepted", 0), ("scheduled", 1), ("routed", 2, "email")], "in_progress", {"email": "in_progress"}, None),
    ([("accepted", 0), ("scheduled", 1), ("routed", 2, "email"), ("sent", 3, "email")], "sent", {"email": "sent"}, 3),
    ([("accepted", 0), ("scheduled", 1), ("expired", 2)], "expired", {}, 2),
    ([("accepted", 0), ("routed", 1, "email")], "in_progress", {"email": "in_progress"}, None),
    ([("accepted", 0), ("routed", 1, "email"), ("sent", 2, "email")], "sent", {"email": "sent"}, 2),
    ([("accepted", 0), ("routed", 1, "email"), ("deferred", 2, "email")], "in_progress", {"email": "in_progress"}, None),
    ([("accepted", 0), ("routed", 1, "email"), ("deferred", 2, "email"), ("sent", 3, "email")], "sent", {"email": "sent"}, 3),
    ([("accepted", 0), ("routed", 1, "email"), ("deferred", 2, "email"), ("skipped", 3, "email")], "skipped", {"email": "skipped"}, 3),
    ([("accepted", 0), ("routed", 1, "sms"), ("sending", 2, "sms")], "in_progress", {"sms": "in_progress"}, None),
    ([("accepted", 0), ("routed", 1, "sms"), ("sending", 2, "sms"), ("sent", 3, "sms")], "sent", {"sms": "sent"}, 3),
    ([("accepted", 0), ("routed", 1, "sms"), ("sending", 2, "sms"), ("unknown", 3, "sms")], "unknown", {"sms": "unknown"}, 3),
    ([("accepted", 0), ("routed", 1, "sms"), ("sending", 2, "sms"), ("deferred", 3, "sms")], "in_progress", {"sms": "in_progress"}, None),
    ([("accepted", 0), ("skipped", 1)], "skipped", {}, 1),
    ([("accepted", 0), ("expired", 1)], "expired", {}, 1),
    ([("accepted", 0), ("failed", 1)], "failed", {}, 1),
    ([("accepted", 0), ("skipped", 1, "sms"), ("routed", 1, "email")], "in_progress", {"sms": "skipped", "email": "in_progress"}, None),
    ([("accepted", 0), ("skipped", 1, "sms"), ("routed", 1, "email"), ("sent", 2, "email")], "sent", {"sms": "skipped", "email": "sent"}, 2),
    ([("accepted", 0), ("sent", 2, "email"), ("failed", 3, "sms")], "partly_sent", {"email": "sent", "sms": "failed"}, 3),
    ([("accepted", 0), ("failed", 2, "email"), ("expired", 3, "sms")], "failed", {"email": "failed", "sms": "expired"}, 3),
    ([("accepted", 0), ("unknown", 2, "email")], "unknown", {"email": "unknown"}, 2),
    ([("accepted", 0), ("sent", 2, "push/a"), ("failed", 2, "push/b")], "partly_sent", {"push": "partly_sent"}, 2),
    ([("accepted", 0), ("sent", 2, "email"), ("failed", 3, "email")], "sent", {"email": "sent"}, 3),
    ([("accepted", 0), ("routed", 1, "email"), ("delivered", 2, "email")], "delivered", {"email": "delivered"}, None),
    ([("accepted", 0), ("delivered", 2, "email"), ("sent", 3, "email")], "delivered", {"email": "delivered"}, 3),
    ([("accepted", 0), ("deferred", 1, "email"), ("delivered", 2, "email")], "delivered", {"email": "delivered"}, None),
    ([("accepted", 0), ("sent", 1, "email"), ("delivered", 2, "email"), ("bounced", 3, "email")], "bounced", {"email": "bounced"}, 1),
    ([("accepted", 0), ("sent", 1, "email"), ("bounced", 2, "email"), ("complained", 3, "email")], "complained", {"email": "complained"}, 1),
    ([("accepted", 0), ("unknown", 1, "sms"), ("undelivered", 2, "sms")], "undelivered", {"sms": "undelivered"}, 1),
    ([("accepted", 0), ("failed", 1, "sms"), ("delivered", 2, "sms")], "delivered", {"sms": "delivered"}, 1),
    ([("accepted", 0), ("sent", 1, "email"), ("opened", 2, "email"), ("unsubscribed", 3, "email")], "sent", {"email": "sent"}, 1),
    ([("accepted", 0), ("sent", 1, "email"), ("sent", 1, "sms"), ("delivered", 2, "sms")], "sent", {"email": "sent", "sms": "delivered"}, 1),
    ([("accepted", 0), ("delivered", 1, "email"), ("complained", 2, "sms")], "delivered", {"email": "delivered", "sms": "complained"}, None),
    ([("accepted", 0), ("sent", 1, "email"), ("bounced", 2, "email"), ("sent", 1, "sms")], "partly_sent", {"email": "bounced", "sms": "sent"}, 1),
    ([("accepted", 0), ("bounced", 2, "email"), ("undelivered", 2, "sms")], "bounced", {"email": "bounced", "sms": "undelivered"}, None),
    ([("duplicate", 5)], "duplicate", {}, None),
]  # fmt: skip


def rows_of(happened: Happened, parts: list[tuple[Any, ...]]) -> list[StatusRow]:
    return [
        happened(status, at, to=rest[0] if rest else None, offset=number)
        for number, (status, at, *rest) in enumerate(parts)
    ]


@pytest.mark.parametrize(("parts", "state", "channels", "finished"), TABLE)
def test_states(
    happened: Happened,
    parts: list[tuple[Any, ...]],
    state: str,
    channels: dict[str, str],
    finished: float | None,
) -> None:
    rows = rows_of(happened, parts)
    for order in permutations(rows):
        summary = summarise(order)
        assert (summary.state, summary.channels) == (state, channels)
    start = happened("accepted").at
    seconds = (summary.finished_at - start).total_seconds() if summary.finished_at else None
    assert seconds == (None if state == "duplicate" else finished)


TOLD = (
    "sent",
    "delivered",
    "undelivered",
    "bounced",
    "complained",
    "opened",
    "read",
    "clicked",
    "unsubscribed",
)


@settings(max_examples=200)
@given(st.data())
def test_told_three_times_and_in_any_order_a_delivery_stands_the_same(data: st.DataObject) -> None:
    told = data.draw(st.lists(st.sampled_from(TOLD), unique=True, min_size=1))
    rows = [happened("accepted"), *(happened(name, 5, to="email", offset=TOLD.index(name)) for name in told)]
    thrice = [
        replace(
            row, stored_at=row.stored_at + timedelta(hours=again), kafka_offset=row.kafka_offset + 100 * again
        )
        for again in range(3)
        for row in rows
    ]
    shuffled = data.draw(st.permutations(thrice))
    expected, summary = summarise(rows), summarise(deduplicated(shuffled))
    assert (summary.state, summary.channels) == (expected.state, expected.channels)
    assert [delivery.engagement for delivery in summary.deliveries] == [
        delivery.engagement for delivery in expected.deliveries
    ]
    strongest = [name for name in TOLD[:5] if name in told]
    assert summary.channels == ({"email": strongest[-1]} if strongest else {})


def test_in_every_order_a_delivery_stands_the_same(happened: Happened) -> None:
    rows = [happened(name, 5, to="email", offset=TOLD.index(name)) for name in (*TOLD[:5], "opened")]
    ends = {
        (summary.state, summary.deliveries[0].engagement, summary.deliveries[0].at)
        for order in permutations(rows)
        for summary in [summarise([happened("accepted"), *(_taken_in(order))])]
    }
    assert {(state, engagement) for state, engagement, _ in ends} == {("complained", "opened")}


def _taken_in(order: Sequence[StatusRow]) -> list[StatusRow]:
    """What was told, with the time and place at which it was taken in."""
    return [
        replace(
            row,
            at=row.at + timedelta(seconds=place),
            stored_at=row.stored_at + timedelta(seconds=place),
            kafka_offset=place,
        )
        for place, row in enumerate(order)
    ]


def test_of_two_bounces_the_later_by_the_providers_clock_says_why(happened: Happened) -> None:
    start = happened("accepted").at
    first = happened("bounced", to="email", reason="soft_bounce", receipt=Receipt(id="a", at=start))
    later = happened(
        "bounced", to="email", reason="hard_bounce", receipt=Receipt(id="b", at=start + timedelta(seconds=9))
    )
    unclear = happened("delivered", to="email", receipt=Receipt(id="c"))
    for order in permutations([first, later, unclear]):
        (delivery,) = summarise([happened("accepted"), *_taken_in(order)]).deliveries
        assert (delivery.state, delivery.reason) == (State.BOUNCED, "hard_bounce")


def test_what_a_person_did_is_an_axis_of_its_own(happened: Happened) -> None:
    machine = Receipt(id="m", automated=True)
    rows = [happened("accepted"), happened("sent", 1, to="email"), happened("sent", 1, to="push/a")]
    opened = happened("opened", 2, to="email")
    clicked = happened("clicked", 3, to="email", receipt=machine)

    def engagement(*more: StatusRow) -> dict[str | None, str | None]:
        return {delivery.channel: delivery.engagement for delivery in summarise([*rows, *more]).deliveries}

    assert engagement() == {"email": None, "push": None}
    assert engagement(opened, clicked) == {"email": "opened", "push": None}
    assert engagement(opened, replace(clicked, receipt=Receipt(id="p"))) == {"email": "clicked", "push": None}


def test_a_receipt_that_does_not_say_whose_counts_for_the_latest_use(happened: Happened) -> None:
    again = {"origin": "events/0/77"}
    rows = [
        happened("accepted"),
        happened("sent", 1, to="email"),
        happened("accepted", 90_000, **again),
        happened("sent", 90_001, to="email", **again),
    ]
    assert summarise([*rows, happened("bounced", 2, to="email")]).state is State.SENT
    assert summarise([*rows, happened("bounced", 90_002, to="email", origin="")]).state is State.BOUNCED


def test_deliveries_say_how_they_came_to_their_state(happened: Happened) -> None:
    summary = summarise(
        [
            happened("routed", 1, to="push/phone-1"),
            happened("deferred", 2, to="push/phone-1", provider="fcm", attempt=1, reason="unreachable"),
            happened("failed", 3, to="push/phone-1", provider="fcm", attempt=2, reason="device_gone"),
        ]
    )
    (delivery,) = summary.deliveries
    assert (delivery.channel, delivery.address_key, delivery.provider) == ("push", "phone-1", "fcm")
    assert (delivery.state, delivery.reason, delivery.attempts) == (State.FAILED, "device_gone", 2)


def test_repetitions_are_counted_and_change_nothing(happened: Happened) -> None:
    repeated = [happened("duplicate", n, origin=f"events/1/{n}", offset=50 + n) for n in range(4)]
    summary = summarise([happened("accepted"), happened("sent", 2, to="email"), *repeated])
    assert (summary.state, summary.duplicates, summary.reused_id) == (State.SENT, 4, False)


def test_an_id_used_again_is_marked_and_judged_by_its_latest_use(happened: Happened) -> None:
    summary = summarise(
        [
            happened("accepted", 0),
            happened("sent", 2, to="email"),
            happened("accepted", 90_000, origin="events/0/77"),
            happened("routed", 90_001, to="email", origin="events/0/77"),
        ]
    )
    assert summary.reused_id
    assert summary.state is State.IN_PROGRESS
    assert summary.accepted_at == happened("accepted", 90_000).at


def test_the_same_accepted_twice_is_no_reuse(happened: Happened) -> None:
    summary = summarise([happened("accepted", 0), happened("accepted", 0, offset=9)])
    assert not summary.reused_id


def test_what_waits_says_until_when_and_says_it_no_more_when_that_is_over(happened: Happened) -> None:
    due = [happened("accepted").at + timedelta(days=days) for days in (1, 2)]
    waits = [happened("scheduled", number + 1, due_at=at) for number, at in enumerate(due)]
    rows = [happened("accepted"), *waits]
    assert (summarise(rows[:2]).due_at, summarise(rows).due_at) == (due[0], due[1])
    assert summarise([*rows, happened("routed", 3, to="email")]).due_at is None


CANCELLED: list[tuple[list[tuple[Any, ...]], str | None, str, float | None]] = [
    ([("accepted", 0), ("sent", 2, "email")], None, "sent", None),
    ([("accepted", 0), ("cancel_requested", 1)], "requested", "accepted", 1),
    ([("accepted", 0), ("scheduled", 1), ("cancel_requested", 2)], "requested", "scheduled", 2),
    ([("accepted", 0), ("scheduled", 1), ("cancel_requested", 2), ("cancelled", 3)], "cancelled", "cancelled", 2),
    ([("accepted", 0), ("routed", 1, "email"), ("cancel_requested", 2)], "requested", "in_progress", 2),
    ([("accepted", 0), ("routed", 1, "email"), ("cancel_requested", 2), ("cancelled", 3, "email")], "cancelled", "cancelled", 2),
    ([("accepted", 0), ("cancel_requested", 1), ("cancelled", 2)], "cancelled", "cancelled", 1),
    ([("accepted", 0), ("cancelled", 2)], "cancelled", "cancelled", None),
    ([("accepted", 0), ("sent", 1, "email"), ("cancel_requested", 2)], "too_late", "sent", 2),
    ([("accepted", 0), ("failed", 1, "email"), ("cancel_requested", 2)], "too_late", "failed", 2),
    ([("accepted", 0), ("unknown", 1, "email"), ("cancel_requested", 2)], "too_late", "unknown", 2),
    ([("accepted", 0), ("sent", 1, "email"), ("cancel_requested", 2), ("cancelled", 3, "sms")], "partly", "partly_sent", 2),
    ([("accepted", 0), ("unknown", 1, "email"), ("cancel_requested", 2), ("cancelled", 3, "sms")], "partly", "unknown", 2),
    ([("accepted", 0), ("sent", 1, "email"), ("cancel_requested", 2), ("routed", 1, "sms")], "requested", "in_progress", 2),
    ([("accepted", 0), ("expired", 1, "email"), ("cancel_requested", 2), ("cancelled", 3, "sms")], "cancelled", "expired", 2),
    ([("accepted", 0), ("cancel_requested", 1), ("cancel_requested", 4), ("cancelled", 5)], "cancelled", "cancelled", 1),
    ([("cancel_requested", 1)], "requested", "cancel_requested", 1),
    ([("accepted", 0), ("cancelled", 2, "email"), ("sent", 3, "email"), ("cancel_requested", 1)], "too_late", "sent", 1),
    # of an id that is used again a day later, an earlier wish says nothing
    ([("cancel_requested", 1), ("accepted", 100_000), ("sent", 100_001, "email")], None, "sent", None),
]  # fmt: skip


@pytest.mark.parametrize(("parts", "cancellation", "state", "requested"), CANCELLED)
def test_what_came_of_the_wish_to_cancel(
    happened: Happened,
    parts: list[tuple[Any, ...]],
    cancellation: str | None,
    state: str,
    requested: float | None,
) -> None:
    rows = rows_of(happened, parts)
    for order in permutations(rows):
        summary = summarise(order)
        assert (summary.cancellation, summary.state) == (cancellation, state)
    start = happened("accepted").at
    assert (
        None if summary.cancel_requested_at is None else (summary.cancel_requested_at - start).total_seconds()
    ) == requested


@pytest.mark.parametrize(
    ("sent", "wish", "cancellation"),
    [(False, True, None), (True, True, "requested"), (True, False, "requested")],
)
def test_the_wish_of_a_test_key_is_about_tests_alone(
    happened: Happened, sent: bool, wish: bool, cancellation: str | None
) -> None:
    rows = rows_of(happened, [("accepted", 0), ("cancel_requested", 1)])
    rows = [replace(rows[0], test=sent), replace(rows[1], test=wish)]
    assert summarise(rows).cancellation == cancellation


# What was brought back by a re-drive counts as it went on; what was sent stays sent.
REDRIVEN: list[tuple[list[tuple[Any, ...]], str]] = [
    ([("failed", 1, "email"), ("routed", 2, "email", True)], "in_progress"),
    ([("failed", 1, "email"), ("routed", 2, "email", True), ("sent", 3, "email")], "sent"),
    ([("failed", 1, "email"), ("routed", 2, "email", True), ("failed", 3, "email")], "failed"),
    ([("failed", 1, "email"), ("skipped", 2, "email", True)], "skipped"),
    ([("sent", 1, "email"), ("routed", 2, "email", True)], "sent"),
    ([("failed", 1, "email"), ("failed", 1, "sms"), ("routed", 2, "email", True)], "in_progress"),
    ([("failed", 1, "email"), ("failed", 1, "sms"), ("routed", 2, "email", True), ("sent", 3, "email")], "partly_sent"),
    ([("failed", 1), ("routed", 2, "email", True), ("sent", 3, "email")], "sent"),
    ([("failed", 1), ("failed", 2, None, True)], "failed"),
]  # fmt: skip


@pytest.mark.parametrize(("parts", "state"), REDRIVEN)
def test_states_after_a_redrive(happened: Happened, parts: list[tuple[Any, ...]], state: str) -> None:
    rows = [happened("accepted", 0)]
    for status, at, *rest in parts:
        to, again = (*rest, None, None)[:2]
        rows.append(happened(status, at, to=to, redrive="r1" if again else None))
    for order in permutations(rows):
        assert summarise(order).state == state


def test_a_channel_that_failed_as_a_whole_is_brought_back_by_its_addresses(happened: Happened) -> None:
    rows = [
        happened("accepted", 0),
        happened("failed", 1, to="push/", address_key=None),
        happened("routed", 2, to="push/phone-1", redrive="r1"),
        happened("sent", 3, to="push/phone-1"),
    ]
    assert summarise(rows).state == "sent"
