"""Ingest, given recorded requests: what it answers, and what it would store. Only this file knows its classes."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from unittest.mock import patch

import httpx
from tests.recordings.recording import headers_of, shortened, to_bytes, written

from tocsin.contracts.topics import Topics
from tocsin.ingest import parsing
from tocsin.ingest.app import create_app
from tocsin.ingest.directory import Directory
from tocsin.ingest.publishing import EventPublisher
from tocsin.ingest.service import IngestService
from tocsin.kafka import ConsumerRecord, NotStored, Overloaded, ProducerBroken, ProducerRecord, RecordMetadata
from tocsin.runtime import Health
from tocsin.testing import ManualClock

FAILURES = {"not_stored": NotStored, "producer_broken": ProducerBroken, "overloaded": Overloaded}


class _Publisher:
    """Remembers what is to be stored, or fails as a step says."""

    def __init__(self) -> None:
        self.records: list[ProducerRecord] = []
        self.failure: str | None = None

    async def publish(self, records: Sequence[ProducerRecord], *, timeout: float) -> list[RecordMetadata]:  # noqa: ASYNC109
        if self.failure is not None:
            raise FAILURES[self.failure]("as the step says")
        self.records += records
        return [RecordMetadata(record.topic, 0, place, 0) for place, record in enumerate(records)]


async def run(case: Any, base: Any) -> Any:
    """For each request the answer and the records."""
    directory, publisher, caught_up = Directory(), _Publisher(), asyncio.Event()
    event_publisher = EventPublisher(
        kafka=publisher, topics=Topics(), timeout=1, retry_after=base["retry_after"]
    )
    clock = ManualClock(datetime.fromisoformat(base["at"]))
    service = IngestService(directory=directory, publisher=event_publisher, caught_up=caught_up, clock=clock)
    app = create_app(service=service, health=Health(service="ingest"))
    parsing._random.seed(0)
    answers = []
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://ingest") as client:
        for step in [{"directory": base["directory"]}, *case["steps"]]:
            for entity in step.get("directory", ()):
                key, value = to_bytes(entity["key"]), to_bytes(entity["value"])
                directory.apply(ConsumerRecord("directory", 0, 0, 0, key, value))
            (caught_up.set if step.get("caught_up", True) else caught_up.clear)()
            publisher.failure, publisher.records = step.get("failure"), []
            if "method" in step:
                headers = [(name.encode(), value) for name, value in headers_of(step["headers"])]
                with patch("os.urandom", lambda length: bytes(range(length))):
                    answer = await client.request(
                        step["method"], step["path"], headers=headers, content=to_bytes(step["body"])
                    )
                answers.append(
                    {
                        "status": answer.status_code,
                        "headers": sorted(answer.headers.multi_items()),
                        "body": shortened(answer.content),
                        "stored": written(publisher.records),
                    }
                )
    return answers
