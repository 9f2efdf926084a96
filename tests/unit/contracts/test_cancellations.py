"""Which messages a cancellation reaches: by id or key, of its own tenant, stored before it, and by a test key tests alone."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from tocsin.contracts.cancellations import Cancellation, names_of
from tocsin.contracts.events import CancellationRequest, Event, NotificationRequest
from tocsin.contracts.intents import Intent
from tocsin.contracts.limits import CLOCK_TOLERANCE_SECONDS
from tocsin.contracts.values import ValueRefused
from tocsin.contracts.values.cancellation import cancel_key_of, cancellation
from tocsin.contracts.vocabulary import Channel
from tocsin.testing.jobs import job_for

STORED = datetime(2026, 5, 1, tzinfo=UTC)
MS = timedelta(milliseconds=1)
TOLERANCE = timedelta(seconds=CLOCK_TOLERANCE_SECONDS)
ID = "0190b6f2-5c3e-5a2b-9a67-0d7a3b1c2e4f"


def intent(**fields: Any) -> Intent:
    base = {"event_time": STORED, "notification_id": ID, "cancel_key": "order-1"}
    return msgspec.structs.replace(job_for(Channel.EMAIL).intent, **(base | fields))


def requested(at: datetime = STORED + MS, **fields: Any) -> Cancellation:
    return Cancellation(requested_at=at, origin="o/0/0", **({"tenant": "acme"} | fields))


@pytest.mark.parametrize(
    ("cancelled", "asked", "reaches"),
    [
        (requested(notification_id=ID), intent(), True),
        (requested(key="order-1"), intent(), True),
        (requested(notification_id=ID[:-1] + "0"), intent(), False),
        (requested(key="order-2"), intent(), False),
        (requested(key=ID), intent(), False),
        (requested(notification_id="order-1"), intent(), False),
        (requested(key="order-1"), intent(cancel_key=None), False),
        # the tenant is part of what is named
        (requested(notification_id=ID, tenant="other"), intent(), False),
        (requested(key="order-1", tenant="other"), intent(), False),
        (requested(key="order-1", tenant="other"), intent(tenant="other"), True),
        # a key reaches what was stored before it
        (requested(STORED, key="order-1"), intent(), False),
        (requested(STORED - MS, key="order-1"), intent(), False),
        # whoever knows an id has sent before, whatever two brokers' clocks say; a day later the id is another message's
        (requested(STORED - TOLERANCE + MS, notification_id=ID), intent(), True),
        (requested(STORED - TOLERANCE, notification_id=ID), intent(), False),
        # a test key reaches tests alone, a live key everything
        (requested(key="order-1", test=True), intent(), False),
        (requested(notification_id=ID, test=True), intent(), False),
        (requested(key="order-1", test=True), intent(test=True), True),
        (requested(notification_id=ID, test=True), intent(test=True), True),
        (requested(key="order-1"), intent(test=True), True),
    ],
)
def test_what_a_cancellation_reaches(cancelled: Cancellation, asked: Intent, reaches: bool) -> None:
    named = [
        name
        for name, tolerance in names_of(asked)
        if name == cancelled.name and cancelled.requested_at > asked.event_time - tolerance
    ]
    assert bool(named) is reaches
    assert len(cancelled.hash) == 16


def test_records_are_keyed_by_what_they_name() -> None:
    assert requested(notification_id=ID).record_key == f"acme/notification/{ID}".encode()
    assert requested(key="order/1").record_key == b"acme/cancel/order/1"


@pytest.mark.parametrize(
    ("request_", "canonical"),
    [
        (CancellationRequest(key="ü/1"), CancellationRequest(key="ü/1")),
        (CancellationRequest(key="x" * 255), CancellationRequest(key="x" * 255)),
        (CancellationRequest(notification_id=ID.upper()), CancellationRequest(notification_id=ID)),
    ],
)
def test_a_request_has_one_form(request_: CancellationRequest, canonical: CancellationRequest) -> None:
    assert cancellation(request_) == canonical


@pytest.mark.parametrize(
    ("request_", "code", "pointer"),
    [
        (CancellationRequest(), "data_invalid", ""),
        (CancellationRequest(key="a", notification_id=ID), "data_invalid", ""),
        (CancellationRequest(key=""), "cancel_key_invalid", "/key"),
        (CancellationRequest(key="x" * 256), "cancel_key_invalid", "/key"),
        (CancellationRequest(key="a\nb"), "cancel_key_invalid", "/key"),
        (CancellationRequest(key="a\ud800"), "cancel_key_invalid", "/key"),
        (CancellationRequest(notification_id="n1"), "data_invalid", "/notification_id"),
        (CancellationRequest(notification_id=ID.replace("-", "")), "data_invalid", "/notification_id"),
        (CancellationRequest(notification_id=f"{{{ID}}}"), "data_invalid", "/notification_id"),
    ],
)
def test_a_request_without_sense_is_refused(request_: CancellationRequest, code: str, pointer: str) -> None:
    with pytest.raises(ValueRefused) as refused:
        cancellation(request_)
    assert (refused.value.code, refused.value.pointer) == (code, pointer)


@pytest.mark.parametrize(
    ("of_event", "of_request", "key"),
    [(None, None, None), ("a", None, "a"), (None, "b", "b")],
)
def test_the_key_is_the_events_or_the_requests(
    of_event: str | None, of_request: str | None, key: str | None
) -> None:
    event = Event(tenant="acme", source="s", id="i", type="t", cancel_key=of_event)
    assert (
        cancel_key_of(event, NotificationRequest(workflow="w", recipients=[], cancel_key=of_request)) == key
    )


@pytest.mark.parametrize(("of_event", "of_request"), [("a", "a"), ("a", "b"), (None, ""), (None, "x" * 256)])
def test_a_key_that_is_none_or_stands_twice_is_refused(of_event: str | None, of_request: str) -> None:
    event = Event(tenant="acme", source="s", id="i", type="t", cancel_key=of_event)
    with pytest.raises(ValueRefused) as refused:
        cancel_key_of(event, NotificationRequest(workflow="w", recipients=[], cancel_key=of_request))
    assert (refused.value.code, refused.value.pointer) == ("cancel_key_invalid", "/cancel_key")
