"""How many bytes of a process one entry takes of each table that services hold whole: in a process of its own, by its proportional set size.

`python bench/capacity_memory.py` prints JSON.
"""

import asyncio
import gc
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

import tenant
from environment import TENANT
from processor_time import pss_mb
from tocsin.channel.recipient_versions import RecipientVersions
from tocsin.contracts.cancellations import Cancellation
from tocsin.contracts.codec import encode
from tocsin.contracts.directory import ApiKeyRecord, Step, TemplateRecord, WorkflowRecord
from tocsin.contracts.ids import recipient_key
from tocsin.contracts.stops import RecipientVersion, encode_stop
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.kafka import Cancellations, ConsumerRecord
from tocsin.router.templates import Renderer
from tocsin.router.worker.directory import PublishedDirectory
from tocsin.web import KeyTable

NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
NOW_MS: Final = int(NOW.timestamp() * 1000)
STOPS, CANCELS, KEYS, WORKFLOWS = 1_000_000, 300_000, 20_000, 1_000
SCHEMA: Final = {
    "type": "object",
    "required": list(tenant.DATA),
    "properties": {name: {"type": "string"} for name in tenant.DATA},
}


def _record(key: bytes, value: bytes) -> ConsumerRecord:
    return ConsumerRecord("copy", 0, 0, NOW_MS, key, value)


def _stops() -> Any:
    copy = RecipientVersions()
    for number in range(STOPS):
        value = encode_stop(RecipientVersion(1, NOW_MS // 1000))
        copy.apply(_record(recipient_key(TENANT, f"customer-{number:07}"), value))
    return copy


def _cancels() -> Any:
    copy = Cancellations(service="bench")
    for number in range(CANCELS):
        one = Cancellation(tenant=TENANT, key=f"order-{number}", requested_at=NOW, origin="events/0/1")
        copy.apply(_record(one.record_key, encode(one)))
    return copy


def _keys() -> Any:
    copy = KeyTable()
    for number in range(KEYS):
        key = ApiKeyRecord(
            tenant=TENANT, id=f"key-{number}", mode="live", sha256=f"{number:064x}", scopes=["send", "read"]
        )
        copy.apply(_record(key.record_key, encode(key)))
    return copy


def _workflows() -> Any:
    renderer, templates = Renderer(), list[TemplateRecord]()
    copy = PublishedDirectory(renderer=renderer)
    for number in range(WORKFLOWS):
        key = f"workflow-{number}"
        workflow = WorkflowRecord(
            tenant=TENANT, key=key, revision=1, category="orders", lane=Lane.TRANSACTIONAL, data_schema=SCHEMA,
            steps=[Step(name="1", channels=(Channel.EMAIL, Channel.SMS, Channel.PUSH))],
        )  # fmt: skip
        copy.apply(_record(workflow.record_key, encode(workflow)))
        for channel, parts in tenant.PARTS_OF.items():
            template = TemplateRecord(
                tenant=TENANT, workflow=key, channel=channel, locale="en", revision=1, parts=parts
            )
            copy.apply(_record(template.record_key, encode(template)))
            templates.append(template)

    async def compile_them() -> None:
        for template in templates:
            await renderer.prepare(template)

    asyncio.run(compile_them())
    return copy


TABLES: Final[dict[str, tuple[Callable[[], Any], int]]] = {
    "a recipient in `stops` (dispatchers)": (_stops, STOPS),
    "a cancellation in `cancels` (routers, dispatchers)": (_cancels, CANCELS),
    "an API key in `directory` (ingest, ledger, router's API)": (_keys, KEYS),
    "a workflow with three templates in `directory`, compiled (routers)": (_workflows, WORKFLOWS),
}


def entries() -> dict[str, float]:
    """Bytes of an entry, by what it is."""
    sizes: dict[str, float] = {}
    held = []
    for what, (fill, count) in TABLES.items():
        gc.collect()
        before = pss_mb(os.getpid())
        held.append(fill())
        gc.collect()
        sizes[what] = (pss_mb(os.getpid()) - before) * 1e6 / count
    return sizes


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(entries()))
