"""What an endpoint is sent."""

import json

import msgspec

from tocsin.contracts.jobs import WebhookContent
from tocsin.contracts.vocabulary import Channel
from tocsin.contracts.webhook_body import body_of
from tocsin.testing.jobs import job_for


def test_it_tells_of_the_message_and_of_the_event() -> None:
    job = job_for(Channel.WEBHOOK)
    job.intent.private.data = msgspec.Raw(b'{"order":"A-1","n":1.50}')
    job.intent.private.link = "https://shop.example/orders/1"
    job.private.content = WebhookContent(title="T", body="B", data={"k": "v"})
    body = body_of(job)
    assert b'"data":{"order":"A-1","n":1.50}' in body
    assert json.loads(body) == {
        "type": "com.example.tested",
        "timestamp": job.intent.event_time.isoformat().replace("+00:00", "Z"),
        "data": {
            "notification_id": job.notification_id,
            "recipient": "ada",
            "workflow": "order-shipped",
            "category": "orders",
            "title": "T",
            "body": "B",
            "values": {"k": "v"},
            "link": "https://shop.example/orders/1",
            "event": {"id": "event-1", "source": "tests", "data": {"order": "A-1", "n": 1.5}},
        },
    }
    assert body == body_of(job)
