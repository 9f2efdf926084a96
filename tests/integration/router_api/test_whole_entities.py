"""Every column of what is published, filled: PostgreSQL gives each as its driver has it, and the relay makes a record of it."""

from datetime import UTC, date, datetime
from typing import Any

import httpx
import msgspec
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import Table, insert
from sqlalchemy.ext.asyncio import AsyncEngine

from tocsin.contracts.codec import decode_directory
from tocsin.contracts.directory import DirectoryRecord
from tocsin.contracts.topics import Topics
from tocsin.kafka import KafkaSettings
from tocsin.router import tables
from tocsin.router.entities import EntityRef, queue
from tocsin.router.relay import Relay
from tocsin.testing.running import running

from .conftest import Directory, published, state

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

LATER = datetime(2030, 1, 31, 12, 30, tzinfo=UTC)
TEMPLATE = {"tenant": "whole", "workflow": "w", "channel": "sms", "name": "n", "locale": "de", "revision": 7}

ROWS: dict[Table, dict[str, Any]] = {
    tables.tenants: {
        "id": "whole",
        "name": "Whole",
        "default_locale": "de",
        "attributes": {"colour": "#123", "deep": {"number": 1.5, "nothing": None}},
        "senders": {"email": {"address": "a@example.org", "name": "A", "reply_to": "b@example.org"}},
        "providers": {"sms": ["main", "other"]},
        "provider_weights": {"email": {"a": 3, "b": 1}},
        "address_like_ids": True,
        "limits": {
            "requests_per_second": 1,
            "recipients_per_second": 2,
            "key_requests_per_second": 3,
            "key_recipients_per_second": 4,
            "messages_per_day": 5,
        },
        "quota_reached_on": date(2026, 1, 31),
        "shared_devices": True,
    },
    tables.api_keys: {
        "tenant": "whole",
        "id": "k",
        "name": "Key",
        "mode": "test",
        "sha256": "0" * 64,
        "scopes": ["send", "read"],
        "replaces": "j",
        "expires_at": LATER,
    },
    tables.inbox_keys: {
        "tenant": "whole",
        "keys": [{"id": "2026", "algorithm": "HS256", "sealed": "k1.c2VhbGVk"}],
        "origins": ["https://shop.example"],
    },
    tables.webhook_endpoints: {
        "tenant": "whole",
        "key": "shop",
        "name": "Shop",
        "url": "https://hooks.shop.example/",
        "event_types": ["com.shop.order.shipped"],
        "secrets": ["k1.c2VhbGVk", "k1.Zm9ybWVy"],
        "headers": "k1.aGVhZGVycw",
        "header_names": ["X-Shop"],
        "ordered": True,
        "enabled": False,
        "disabled_reason": "gone",
        "disabled_at": LATER,
        "statuses": ["bounced"],
        "failing_since": LATER,
        "last_error": "status_500",
        "told": 2,
        "told_at": LATER,
        "told_in": "tocsin.status.bulk/0/7",
    },
    tables.categories: {
        "tenant": "whole",
        "key": "c",
        "name": "Category",
        "default": "off",
        "ttl_seconds": 60,
        "delivery": "at_most_once",
        "resend_elsewhere": True,
        "tracking": "individual",
    },
    tables.workflows: {
        "tenant": "whole",
        "key": "w",
        "name": "Workflow",
        "event_types": ["a", "b"],
        "recipients": "data.customer",
        "category": "c",
        "lane": "bulk",
        "steps": [{"name": "1", "kind": "send", "channels": ["email", "sms"], "template": "n"}],
        "data_schema": {"type": "object"},
        "throttle": {"limit": 2, "seconds": 60},
        "published": True,
        "revision": 7,
    },
    tables.templates: TEMPLATE | {"parts": {"body": "Hallo"}},
    tables.template_pointers: TEMPLATE | {"published_at": LATER},
}
"""A row of each table that records of `directory` are made of. What no record has is given by the database."""
GIVEN = {"created_at", "updated_at", "revision", "published_at", "revoked_at"}
REFS = [
    EntityRef("tenant", "whole", ()),
    EntityRef("api_key", "whole", ("k",)),
    EntityRef("inbox_keys", "whole", ()),
    EntityRef("webhook_endpoint", "whole", ("shop",)),
    EntityRef("category", "whole", ("c",)),
    EntityRef("workflow", "whole", ("w",)),
    EntityRef("template", "whole", ("w", "sms", "n", "de")),
]


def left_at_default(record: msgspec.Struct) -> set[str]:
    """The fields that say nothing."""
    return {
        field.name
        for field in msgspec.structs.fields(record)
        if field.name != "version"
        and not field.required
        and getattr(record, field.name)
        == (field.default_factory() if field.default is msgspec.NODEFAULT else field.default)
    }


def test_rows_have_every_column() -> None:
    """A new column is filled here, so that it is known to come through."""
    for table, row in ROWS.items():
        assert {column.name for column in table.columns} - GIVEN == row.keys() - GIVEN, table.name


async def test_a_row_with_every_column_filled_becomes_a_record_with_every_field(
    engine: AsyncEngine, directory: Directory, relay: Relay, kafka: KafkaSettings, topics: Topics
) -> None:
    async with engine.begin() as db:
        for table, row in ROWS.items():
            await db.execute(insert(table).values(**row))
        await queue(db, REFS)
    async with running(relay):
        await published(directory)
    records = {key: decode_directory(value) for key, value in (await state(kafka, topics.directory)).items()}
    assert set(records) == {"/".join((ref.kind, ref.tenant, *ref.key)) for ref in REFS}
    assert {type(record) for record in records.values()} == set(DirectoryRecord.__args__)
    assert {key: left for key, record in records.items() if (left := left_at_default(record))} == {}
    assert records["tenant/whole"].quota_reached_on == date(2026, 1, 31)
    assert records["api_key/whole/k"].expires_at == LATER


async def test_a_row_that_no_record_can_hold_stops_nobody_else(
    acme: httpx.AsyncClient, directory: Directory, relay: Relay, kafka: KafkaSettings, topics: Topics
) -> None:
    labels = {"component": "router", "entity": "tenant"}
    before = REGISTRY.get_sample_value("tocsin_directory_set_aside_total", labels) or 0.0
    await acme.put("/v1/tenant", json={"name": "Spoilt later"})
    await directory.rows("UPDATE directory.tenants SET senders = '{\"email\": 1}'")
    await acme.put("/v1/categories/c", json={"name": "Comes after it"})
    async with running(relay):
        await published(directory)
    assert set(await state(kafka, topics.directory)) == {"category/acme/c"}
    assert REGISTRY.get_sample_value("tocsin_directory_set_aside_total", labels) == before + 1
