"""What recipients chose is obeyed, and the timeline says by which rule."""

import asyncio
import json
import re
import uuid
from typing import Any

import pytest
from confluent_kafka import Producer

from tocsin.testing.until import until

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

DATA = {"order": "A-78", "carrier": "ParcelCo", "arrives": "Monday"}


async def send(tocsin, person, *, key: str | None = None) -> str:
    body = {"workflow": tocsin.sample["workflow"], "recipients": [person.id], "data": DATA}
    headers = {"idempotency-key": key} if key else {}
    answer = await tocsin.api.post("/v1/notifications", json=body, headers=headers)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["notifications"][0]["notification_id"])


async def test_sms_switched_off_for_the_category_sends_none_and_says_why(tocsin):
    person = await tocsin.person()
    preferences = {"preferences": [{"channel": "sms", "category": "orders", "enabled": False}]}
    answer = await tocsin.admin.put(f"/v1/recipients/{person.id}/preferences", json=preferences)
    assert answer.is_success, answer.text
    notification = await send(tocsin, person)
    statuses = await tocsin.until_final(notification)
    (skipped,) = [s for s in statuses if s["status"] == "skipped"]
    assert (skipped["channel"], skipped["rule"], skipped["reason"]) == ("sms", "preference", "preference_off")
    rules = {step["rule"]: step["outcome"] for step in skipped["decision"]["rules"]}
    assert "preference" in rules
    assert {message["channel"] for message in await tocsin.caught(notification)} == {"email", "push"}


async def test_the_same_event_five_times_at_once_is_one_notification_and_four_duplicates(tocsin):
    person = await tocsin.person()
    key = str(uuid.uuid4())
    named = await asyncio.gather(*(send(tocsin, person, key=key) for _ in range(5)))
    assert len(set(named)) == 1

    async def names() -> list[str]:
        return [s["status"] for s in await tocsin.statuses(named[0])]

    async def complete() -> bool:
        statuses = await names()
        return statuses.count("duplicate") >= 4 and statuses.count("sent") >= 3

    await until(complete, seconds=60, every=0.1)
    assert (await names()).count("accepted") == 1
    assert (await names()).count("duplicate") == 4
    assert len(await tocsin.caught(named[0])) == 3


async def test_one_click_unsubscribe_from_the_caught_mail(tocsin):
    person = await tocsin.person()
    first = await send(tocsin, person)
    await tocsin.until_final(first)
    (mail,) = [message for message in await tocsin.caught(first) if message["channel"] == "email"]
    headers = {name.lower(): value for name, value in mail["headers"]}
    assert headers["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"
    (link,) = re.findall(
        r"<(https?://[^>]+)>", headers["list-unsubscribe"].replace("\r\n", "").replace(" ", "")
    )
    page = await tocsin.catcher.get(link)
    assert page.status_code == 200
    assert "<form" in page.text
    answer = await tocsin.catcher.post(link, data={"List-Unsubscribe": "One-Click"})
    assert answer.is_success, answer.text
    second = await send(tocsin, person)
    statuses = await tocsin.until_final(second)
    final = {s["channel"]: (s["status"], s.get("rule")) for s in statuses if s["final"]}
    assert final == {"email": ("skipped", "preference"), "sms": ("sent", None), "push": ("sent", None)}


async def test_a_test_key_runs_everything_and_reaches_nobody(tocsin):
    person = await tocsin.person()
    answer = await tocsin.admin.post("/v1/api-keys", json={"name": "try", "mode": "test", "scopes": ["send"]})
    assert answer.status_code == 201, answer.text
    key = answer.json()["key"]
    assert key.startswith("tk_test_")
    body = {"workflow": tocsin.sample["workflow"], "recipients": [person.id], "data": DATA}
    authorization = {"authorization": f"Bearer {key}"}

    async def known() -> bool:  # the key reaches ingest by way of the directory
        answer = await tocsin.api.post("/v1/notifications", json={}, headers=authorization)
        return bool(answer.status_code != 401)

    await until(known, seconds=20)
    sent = await tocsin.api.post("/v1/notifications", json=body, headers=authorization)
    assert sent.status_code == 202, sent.text
    notification = sent.json()["notifications"][0]["notification_id"]
    statuses = await tocsin.until_final(notification)
    assert {s["status"] for s in statuses if s["final"]} == {"sent"}
    assert (await tocsin.timeline(notification))["summary"]["test"] is True
    assert await tocsin.caught(notification) == []


async def test_an_invalid_event_on_kafka_is_set_aside_with_its_reason_and_the_next_goes_on(tocsin, event):
    person = await tocsin.person()
    producer = Producer({"bootstrap.servers": tocsin.stack["kafka"]})
    kind: dict[str, Any] = {"content-type": "application/cloudevents+json"}
    broken = event | {"id": str(uuid.uuid4()), "subject": person.id, "data": {"order": 5}}
    good = event | {"subject": person.id}
    for body in (b"\x00not json", json.dumps(broken).encode(), json.dumps(good).encode()):
        producer.produce("tocsin.events.transactional", value=body, headers=kind)
    assert await asyncio.to_thread(producer.flush, 30) == 0
    notification = tocsin.notification(event_id=good["id"], source=good["source"], recipient=person.id)
    await tocsin.assert_three_messages(notification)

    async def refused() -> bool:
        answer = await tocsin.api.get("/v1/timelines", params={"event": broken["id"]})
        return "event_refused" in answer.text

    await until(refused, every=0.1)
