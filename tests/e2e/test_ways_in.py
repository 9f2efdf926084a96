"""One event, whoever writes it and however, becomes the same three messages."""

import asyncio
import json
import shutil
import subprocess
import uuid
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from tocsin.dev.kafka_jars import jars

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

FOREIGN = Path(__file__).parent / "foreign"
TOPIC = "tocsin.events.transactional"


async def test_a_direct_request_over_http(tocsin):
    person = await tocsin.person()
    body = {"workflow": tocsin.sample["workflow"], "recipients": [person.id], "data": DATA()}
    answer = await tocsin.api.post("/v1/notifications", json=body)
    assert answer.status_code == 202, answer.text
    (named,) = answer.json()["notifications"]
    assert named["recipient"] == person.id
    await tocsin.assert_three_messages(named["notification_id"])


@pytest.mark.parametrize("mode", ["structured", "binary", "batch"])
async def test_a_business_event_over_http(tocsin, event, mode):
    person = await tocsin.person()
    event |= {"subject": person.id}
    del event["tenant"]
    if mode == "binary":
        headers = {f"ce-{name}": value for name, value in event.items() if name != "data"}
        answer = await tocsin.api.post("/v1/events", json=event["data"], headers=headers)
    else:
        kind = (
            "application/cloudevents+json" if mode == "structured" else "application/cloudevents-batch+json"
        )
        content = json.dumps(event if mode == "structured" else [event])
        answer = await tocsin.api.post("/v1/events", content=content, headers={"content-type": kind})
    assert answer.status_code == 202, answer.text
    await tocsin.assert_three_messages(named(tocsin, event, person.id))


@pytest.mark.parametrize("partitioner", ["consistent_random", "fnv1a", "murmur2"])
@pytest.mark.parametrize("mode", ["structured", "binary"])
async def test_confluent_kafka_with_its_own_partitioner_and_key(tocsin, event, partitioner, mode):
    person = await tocsin.person()
    event |= {"subject": person.id}
    producer = Producer(
        {"bootstrap.servers": tocsin.stack["kafka"], "partitioner": partitioner, "linger.ms": 0}
    )
    headers, value = kafka_form(event, mode)
    producer.produce(TOPIC, key=f"order {uuid.uuid4()}", value=value, headers=headers)
    assert await asyncio.to_thread(producer.flush, 30) == 0
    await tocsin.assert_three_messages(named(tocsin, event, person.id))


@pytest.mark.java
@pytest.mark.parametrize("mode", ["structured", "binary"])
async def test_a_java_program_on_kafka_clients(tocsin, event, mode):
    person = await tocsin.person()
    event |= {"subject": person.id}
    headers, value = kafka_form(event, mode)
    await run(
        "java",
        "-cp",
        f"{jars()}/*",
        str(FOREIGN / "SendEvent.java"),
        tocsin.stack["kafka"],
        TOPIC,
        value.decode(),
        *(f"{name}={content}" for name, content in headers.items()),
    )
    await tocsin.assert_three_messages(named(tocsin, event, person.id))


@pytest.mark.kcat
@pytest.mark.parametrize("mode", ["structured", "binary"])
async def test_kcat(tocsin, event, mode, tmp_path):
    person = await tocsin.person()
    event |= {"subject": person.id}
    headers, value = kafka_form(event, mode)
    file = tmp_path / "value"
    file.write_bytes(value)
    options = [word for name, content in headers.items() for word in ("-H", f"{name}={content}")]
    await run(
        shutil.which("kcat") or "kcat", "-P", "-b", tocsin.stack["kafka"], "-t", TOPIC, *options, str(file)
    )
    await tocsin.assert_three_messages(named(tocsin, event, person.id))


async def test_a_direct_request_straight_to_kafka_for_several_recipients_some_inline(tocsin):
    stored = await tocsin.person(locale="de")
    inline: dict[str, Any] = {
        "id": f"inline-{uuid.uuid4().hex[:8]}",
        "email": "inline@person.example",
        "locale": "en",
    }
    inline["attributes"] = {"first_name": "Inline"}
    event = {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": "https://foreign.example",
        "type": "tocsin.notification.requested.v1",
        "tenant": tocsin.sample["tenant"],
        "data": {"workflow": tocsin.sample["workflow"], "recipients": [stored.id, inline], "data": DATA()},
    }
    producer = Producer({"bootstrap.servers": tocsin.stack["kafka"]})
    headers, value = kafka_form(event, "structured")
    producer.produce(TOPIC, value=value, headers=headers)
    assert await asyncio.to_thread(producer.flush, 30) == 0
    await tocsin.assert_three_messages(named(tocsin, event, stored.id))
    statuses = await tocsin.until_final(named(tocsin, event, inline["id"]))
    final = {s["channel"]: (s["status"], s.get("reason")) for s in statuses if s["final"]}
    assert final == {
        "email": ("sent", None),
        "sms": ("skipped", "address_missing"),
        "push": ("skipped", "address_missing"),
    }


async def test_the_recipient_s_language_decides_the_words(tocsin, event):
    person = await tocsin.person(locale="de-AT")
    event |= {"subject": person.id}
    del event["tenant"]
    headers = {"content-type": "application/cloudevents+json"}
    (await tocsin.api.post("/v1/events", content=json.dumps(event), headers=headers)).raise_for_status()
    notification = named(tocsin, event, person.id)
    await tocsin.assert_three_messages(notification)
    (sms,) = [message for message in await tocsin.caught(notification) if message["channel"] == "sms"]
    assert sms["body"].startswith("Deine Bestellung A-77")


def DATA() -> dict[str, Any]:  # noqa: N802 - a fresh copy of what reads like a constant
    return {"order": "A-77", "carrier": "ParcelCo", "arrives": "Friday"}


def named(tocsin, event: dict[str, Any], recipient: str) -> str:
    notification: str = tocsin.notification(event_id=event["id"], source=event["source"], recipient=recipient)
    return notification


def kafka_form(event: dict[str, Any], mode: str) -> tuple[dict[str, Any], bytes]:
    """Headers and value of the event in one of the two modes."""
    if mode == "structured":
        return {"content-type": "application/cloudevents+json"}, json.dumps(event).encode()
    headers = {f"ce_{name}": value for name, value in event.items() if name != "data"}
    return headers | {"content-type": "application/json"}, json.dumps(event["data"]).encode()


async def run(*command: str) -> None:
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
