"""A way in without a broker: a directory with two workflows, keys, and a publisher that remembers."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx
import pytest

from tocsin.contracts.codec import encode
from tocsin.contracts.directory import ApiKeyRecord, Scope, Step, WorkflowRecord
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.ingest.app import create_app
from tocsin.ingest.directory import Directory
from tocsin.ingest.publishing import EventPublisher
from tocsin.ingest.service import IngestService
from tocsin.kafka import ConsumerRecord, ProducerRecord, RecordMetadata
from tocsin.runtime import Health
from tocsin.testing.late_copy import LateCopy
from tocsin.web import up_to_now
from tocsin.web.keys import Mode, new_key

SCHEMA = {
    "type": "object",
    "required": ["order"],
    "properties": {
        "order": {"type": "string", "maxLength": 10},
        "items": {"type": "array", "items": {"type": "integer"}},
    },
    "additionalProperties": False,
}


class RememberingPublisher:
    """Stores in a list, or raises what `failure` holds."""

    def __init__(self) -> None:
        self.records: list[ProducerRecord] = []
        self.failure: Exception | None = None

    async def publish(self, records: Sequence[ProducerRecord], *, timeout: float) -> list[RecordMetadata]:  # noqa: ASYNC109 - as Publisher has it
        if self.failure is not None:
            raise self.failure
        self.records += records
        return [RecordMetadata(record.topic, 0, offset, 0) for offset, record in enumerate(records)]


@dataclass
class WayIn:
    """What a test needs to send and to look at what was stored."""

    client: httpx.AsyncClient
    publisher: RememberingPublisher
    directory: Directory
    caught_up: asyncio.Event
    copy: LateCopy
    make_app: Callable[[], Any]
    """One more application of the same service."""
    app: Any
    keys: dict[str, str] = field(default_factory=dict)

    async def post(
        self, path: str, body: Any, *, key: str = "live", **headers: str | bytes
    ) -> httpx.Response:
        content = body if isinstance(body, bytes) else encode(body)
        names = {
            name.replace("_", "-").encode(): value if isinstance(value, bytes) else value.encode()
            for name, value in headers.items()
        }
        return await self.client.post(
            path, content=content, headers={b"authorization": f"Bearer {self.keys[key]}".encode(), **names}
        )

    def publish_workflow(self, key: str, **fields: Any) -> None:
        """Publish a workflow of tenant `acme` in the directory."""
        self.directory.apply(record_of(workflow(key, **fields)))

    def withdraw(self, key: bytes) -> None:
        """A tombstone in the directory."""
        self.directory.apply(ConsumerRecord("directory", 0, 0, 0, key, None))

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the one record stored."""
        return {name: value.decode() for name, value in self.stored.headers}

    @property
    def stored(self) -> ProducerRecord:
        assert len(self.publisher.records) == 1
        return self.publisher.records[0]


def record_of(entity: Any) -> ConsumerRecord:
    return ConsumerRecord("directory", 0, 0, 0, entity.record_key, encode(entity))


def workflow(key: str, **fields: Any) -> WorkflowRecord:
    given: dict[str, Any] = {
        "tenant": "acme",
        "revision": 1,
        "category": "orders",
        "lane": Lane.TRANSACTIONAL,
        "steps": [Step(name="1", channels=(Channel.EMAIL,))],
    }
    return WorkflowRecord(key=key, **(given | fields))


@pytest.fixture
async def way_in() -> AsyncIterator[WayIn]:
    directory, publisher, caught_up = Directory(), RememberingPublisher(), asyncio.Event()
    keys = {}
    callers: list[tuple[str, Mode, Scope]] = [
        ("live", "live", "send"),
        ("test", "test", "send"),
        ("reader", "live", "read"),
    ]
    for name, mode, scope in callers:
        key = new_key(mode)
        keys[name] = key.reveal()
        entity = ApiKeyRecord(tenant="acme", id=key.id, mode=mode, sha256=key.sha256, scopes=[scope])
        directory.apply(record_of(entity))
    directory.apply(
        record_of(workflow("order-shipped", data_schema=SCHEMA, event_types=["com.shop.shipped"]))
    )
    directory.apply(record_of(workflow("login-code", lane=Lane.CRITICAL)))
    caught_up.set()
    event_publisher = EventPublisher(kafka=publisher, topics=Topics(), timeout=1, retry_after=3)
    copy = LateCopy()
    service = IngestService(
        directory=directory,
        publisher=event_publisher,
        caught_up=caught_up,
        bring_up_to_now=up_to_now(copy.catch_up, service="ingest"),
    )
    make_app = partial(create_app, service=service, health=Health(service="ingest"))
    app = make_app()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ingest") as client:
        yield WayIn(client, publisher, directory, caught_up, copy, make_app, app, keys)
