"""A message that is to be sent later waits, and its timeline says so."""

from datetime import UTC, datetime, timedelta

import pytest

from tocsin.testing.until import until

from .conftest import DATA

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]


async def test_it_is_scheduled_and_then_sent(tocsin):
    person = await tocsin.person()
    body = {"workflow": tocsin.sample["workflow"], "recipients": [person.id], "data": DATA, "delay": 2}
    answer = await tocsin.api.post("/v1/notifications", json=body)
    assert answer.status_code == 202, answer.text
    (named,) = answer.json()["notifications"]
    statuses = await tocsin.until_final(named["notification_id"])
    names = [status["status"] for status in statuses]
    assert (names[:2], names.count("routed"), names.count("sent")) == (["accepted", "scheduled"], 3, 3)
    accepted, scheduled = statuses[:2]
    due = datetime.fromisoformat(scheduled["due_at"])
    assert due == datetime.fromisoformat(accepted["at"]) + timedelta(seconds=2)
    assert [status for status in statuses[2:] if datetime.fromisoformat(status["at"]) < due] == []
    assert len(await tocsin.caught(named["notification_id"])) == 3


async def test_what_waits_is_seen_and_can_be_listed(tocsin, event):
    person = await tocsin.person()
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(days=200)
    event |= {"subject": person.id, "sendat": due.isoformat()}
    del event["tenant"]
    headers = {"content-type": "application/cloudevents+json"}
    answer = await tocsin.api.post("/v1/events", json=event, headers=headers)
    assert answer.status_code == 202, answer.text
    notification = tocsin.notification(event_id=event["id"], source=event["source"], recipient=person.id)

    async def waits() -> bool:
        summary = (await tocsin.timeline(notification)).get("summary", {})
        return bool(summary.get("state") == "scheduled")

    await until(waits)
    summary = (await tocsin.timeline(notification))["summary"]
    assert (datetime.fromisoformat(summary["due_at"]), summary["finished_at"]) == (due, None)
    listed = await tocsin.api.get("/v1/timelines", params={"status": "scheduled", "recipient": person.id})
    assert [each["notification_id"] for each in listed.json()["data"]] == [notification]
