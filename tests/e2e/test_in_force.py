"""A change that was answered with 200 or 201 holds for every event sent after it; nobody waits in between."""

import asyncio
import uuid
from typing import Any

import pytest
from confluent_kafka import Producer

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

TOPIC = "tocsin.events.transactional"
ROUNDS = 15


async def test_no_message_sent_right_after_publishing_is_lost(tocsin: Any, event: dict[str, Any]) -> None:
    """Over HTTP and over Kafka, fifteen times, each with a workflow and a template of its own."""
    producer = Producer({"bootstrap.servers": tocsin.stack["kafka"], "linger.ms": 0})
    person = await tocsin.person()
    category = (await tocsin.admin.get(f"/v1/workflows/{tocsin.sample['workflow']}")).json()["category"]
    sent: list[str] = []
    for _ in range(ROUNDS):
        key = f"w{uuid.uuid4().hex[:12]}"
        workflow = {"category": category, "channels": ["sms"], "event_types": [f"com.shop.{key}"]}
        template = {"parts": {"body": "Order {{ data.order }}"}, "publish": True}
        await change(tocsin, f"/v1/workflows/{key}", workflow)
        await change(tocsin, f"/v1/workflows/{key}/templates/sms/default/en", template)
        body = {"workflow": key, "recipients": [person.id], "data": event["data"]}
        answer = await tocsin.api.post("/v1/notifications", json=body)
        assert answer.status_code == 202, answer.text
        sent.append(answer.json()["notifications"][0]["notification_id"])
        foreign = event | {"id": str(uuid.uuid4()), "type": f"com.shop.{key}", "subject": person.id}
        data = foreign.pop("data")
        headers = [(f"ce_{name}", value.encode()) for name, value in foreign.items()]
        headers.append(("content-type", b"application/json"))
        producer.produce(TOPIC, value=f'{{"order": "{data["order"]}"}}'.encode(), headers=headers)
        assert await asyncio.to_thread(producer.flush, 30) == 0
        sent.append(
            tocsin.notification(
                event_id=foreign["id"], source=foreign["source"], recipient=person.id, workflow=key
            )
        )
    for notification in sent:
        statuses = await tocsin.until_final(notification, deliveries=1)
        assert [status["status"] for status in statuses if status["final"]] == ["sent"]


async def change(tocsin: Any, path: str, body: dict[str, Any]) -> None:
    """Save it; in a stack at rest it is in force when it is answered."""
    answer = await tocsin.admin.put(path, json=body)
    assert answer.status_code == 201, answer.text
