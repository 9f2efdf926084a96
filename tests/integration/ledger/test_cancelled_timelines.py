"""`/v1/timelines` of what was to be cancelled, over a real PostgreSQL."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from tests.integration.ledger.conftest import START, TimelinesClient

from tocsin.contracts.ids import status_id
from tocsin.contracts.statuses import EventRef, Status, StatusRecord, status_of
from tocsin.contracts.vocabulary import Lane, StatusName

pytestmark = pytest.mark.postgres


def requested(
    seconds: float, *, notification: str | None = None, key: str | None = None, event: str = "c1", **more: Any
) -> Status:
    """What the router writes of a cancellation; `seconds` after the event of the notification."""
    about = EventRef(
        tenant=more.get("tenant", "acme"), event_id=event, event_source="tocsin:ingest/cancellations",
        test=more.get("test", False), origin=f"events.critical/0/{event}",
    )  # fmt: skip
    return status_of(
        StatusName.CANCEL_REQUESTED, about, lane=Lane.CRITICAL, cause=about.origin, at=START + timedelta(seconds=seconds),
        notification_id=notification, cancel_key=key,
    )  # fmt: skip


def cancelled(sent: StatusRecord) -> Status:
    """What a dispatcher writes in place of `sent`."""
    assert isinstance(sent, Status)
    made = status_id(subject=sent.subject, status="cancelled", cause=sent.cause)
    return msgspec.structs.replace(sent, status="cancelled", status_id=made, provider=None)


async def summary(timelines: TimelinesClient, notification: str | None) -> Any:
    return (await timelines.get(f"/v1/timelines/{notification}")).json()


async def test_too_late_partly_and_cancelled(timelines: TimelinesClient, statuses_of: Any) -> None:
    decision, mail, sms = statuses_of("ann", "email", "sms")
    asked = requested(5, notification=decision.notification_id)
    await timelines.store(decision, asked)
    body = await summary(timelines, decision.notification_id)
    assert (body["summary"]["cancellation"], body["summary"]["state"]) == ("requested", "in_progress")
    await timelines.store(mail, cancelled(sms))
    body = await summary(timelines, decision.notification_id)
    assert (body["summary"]["cancellation"], body["summary"]["state"]) == ("partly", "partly_sent")
    assert body["summary"]["cancel_requested_at"] == "2026-03-01T12:00:05Z"
    assert [(status["status"], status["at"]) for status in body["timeline"]][-1] == ("cancel_requested", "2026-03-01T12:00:05Z")  # fmt: skip
    assert body["summary"]["channels"] == {"email": "sent", "sms": "cancelled"}

    late, *sent = statuses_of("bob", "email")
    await timelines.store(late, *sent, requested(9, notification=late.notification_id, event="c2"))
    assert (await summary(timelines, late.notification_id))["summary"]["cancellation"] == "too_late"

    held, mail = statuses_of("cem", "email")
    await timelines.store(held, requested(1, notification=held.notification_id, event="c3"), cancelled(mail))
    body = await summary(timelines, held.notification_id)
    assert (body["summary"]["cancellation"], body["summary"]["state"]) == ("cancelled", "cancelled")
    assert body["summary"]["finished_at"] is not None
    [listed] = await timelines.list(status="cancelled", recipient="cem")
    assert listed["notification_id"] == held.notification_id


async def test_the_cancellation_of_a_key_stands_on_the_timelines_that_it_reaches(
    timelines: TimelinesClient, statuses_of: Any
) -> None:
    before, after, other, tested = (
        msgspec.structs.replace(statuses_of(who, "email", at=START + timedelta(seconds=at))[0], cancel_key=key, test=test)
        for who, at, key, test in (
            ("ann", 0, "order-1", False), ("bob", 60, "order-1", False), ("cem", 0, "order-2", False), ("dan", 0, "order-2", True),
        )
    )  # fmt: skip
    await timelines.store(
        before, after, other, tested,
        requested(30, key="order-1"),
        requested(31, key="order-1", event="c2"),
        requested(32, key="order-2", event="c3", test=True),
        requested(33, key="order-2", event="c4", tenant="other"),
    )  # fmt: skip
    body = await summary(timelines, before.notification_id)
    assert [(status["status"], status["cancel_key"]) for status in body["timeline"]] == [
        ("accepted", "order-1"), ("routed", "order-1"), ("cancel_requested", "order-1"), ("cancel_requested", "order-1"),
    ]  # fmt: skip
    assert (body["summary"]["cancellation"], body["summary"]["cancel_requested_at"]) == (
        "requested", "2026-03-01T12:00:30Z",
    )  # fmt: skip
    for untouched in (after, other):
        assert (await summary(timelines, untouched.notification_id))["summary"]["cancellation"] is None
    assert (await summary(timelines, tested.notification_id))["summary"]["cancellation"] == "requested"


async def test_of_a_cancellation_of_a_key_its_event_is_asked(timelines: TimelinesClient) -> None:
    await timelines.store(requested(1, key="order-1", event="c9"))
    [listed] = await timelines.list(event="c9")
    assert (listed["kind"], listed["state"], listed["event_id"]) == ("event", "cancel_requested", "c9")


async def test_an_id_of_which_nothing_else_is_known(timelines: TimelinesClient, statuses_of: Any) -> None:
    notification = statuses_of("ann")[0].notification_id
    await timelines.store(requested(1, notification=notification))
    body = await summary(timelines, notification)
    assert (body["summary"]["state"], body["summary"]["cancellation"]) == ("cancel_requested", "requested")
    assert (body["summary"]["recipient"], body["summary"]["accepted_at"]) == (None, None)
    [listed] = await timelines.list(status="cancel_requested")
    assert listed["notification_id"] == notification
