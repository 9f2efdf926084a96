"""When a request is to be sent, and how long its message lives."""

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tocsin.contracts.events import NOTIFICATION_REQUESTED

if TYPE_CHECKING:
    from tests.unit.ingest.conftest import WayIn

GOOD: dict[str, Any] = {"workflow": "order-shipped", "recipients": ["ann"], "data": {"order": "A1"}}


@pytest.mark.parametrize(("days", "taken"), [(-1, True), (5.99, True), (6.01, False), (1_000_000, False)])
async def test_a_message_lives_at_most_six_days(way_in: "WayIn", days: float, taken: bool) -> None:
    """What has expired already is taken, and ends as `expired`."""
    expires_at = (datetime.now(UTC) + timedelta(days=days)).isoformat()
    request = GOOD | {"expires_at": expires_at}
    event = {"specversion": "1.0", "id": "1", "source": "/s", "type": NOTIFICATION_REQUESTED, "data": request}
    answers = [
        (await way_in.post("/v1/notifications", request), ""),
        (await way_in.post("/v1/events", event, content_type="application/cloudevents+json"), "/data"),
    ]
    for answer, prefix in answers:
        assert answer.status_code == (202 if taken else 422)
        if not taken:
            (fault,) = answer.json()["errors"]
            assert (fault["pointer"], fault["code"]) == (f"{prefix}/expires_at", "lives_too_long")
            assert "at most 6 days" in fault["detail"]


@pytest.mark.parametrize(
    "asked", [{"send_at": "2020-01-01T00:00:00Z"}, {"delay": 0}, {"delay": 365 * 86_400}]
)
async def test_a_message_may_be_sent_later(way_in: "WayIn", asked: dict[str, Any]) -> None:
    answer = await way_in.post("/v1/notifications", GOOD | asked)
    assert answer.status_code == 202
    (record,) = way_in.publisher.records
    assert json.loads(record.value or b"")[next(iter(asked))] == next(iter(asked.values()))


async def test_a_life_counts_from_the_time_at_which_it_is_due(way_in: "WayIn") -> None:
    """Six days after the event would be too late to be sent at all."""
    now = datetime.now(UTC)
    for days, status in ((35, 202), (37, 422)):
        expires_at = (now + timedelta(days=days)).isoformat()
        answer = await way_in.post(
            "/v1/notifications", GOOD | {"delay": 30 * 86_400, "expires_at": expires_at}
        )
        assert answer.status_code == status


@pytest.mark.parametrize(
    ("attributes", "data", "pointer"),
    [
        ({"delay": -1}, {}, "/delay"),
        ({"sendat": "2999-01-01T00:00:00Z"}, {}, "/sendat"),
        ({"sendat": "2020-01-01T00:00:00Z"}, {"delay": 5}, "/data/delay"),
        ({"delay": "soon"}, {}, "/delay"),
    ],
)
async def test_extension_attributes_say_when_as_well(
    way_in: "WayIn", attributes: dict[str, Any], data: dict[str, Any], pointer: str
) -> None:
    event = {
        "specversion": "1.0",
        "id": "1",
        "source": "/s",
        "type": NOTIFICATION_REQUESTED,
        "data": GOOD | data,
    }
    answer = await way_in.post("/v1/events", event | attributes, content_type="application/cloudevents+json")
    named = {fault["pointer"] for fault in answer.json()["errors"]}
    assert (answer.status_code, named) == (422, {pointer})
    for sound in ({"delay": 60}, {"sendat": "2020-01-01T00:00:00Z"}):
        answer = await way_in.post(
            "/v1/events", event | {"data": GOOD} | sound, content_type="application/cloudevents+json"
        )
        assert answer.status_code == 202
    first, second = (dict(record.headers) for record in way_in.publisher.records)
    assert (first["ce_delay"], second["ce_sendat"]) == (b"60", b"2020-01-01T00:00:00+00:00")
