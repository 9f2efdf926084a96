"""Records as only a C client writes them: none may stop a lane."""

import asyncio
import shutil
from pathlib import Path

import pytest

from tocsin.kafka import ProducerRecord

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.kcat]

STRANGE = (b"ce_\xff\xfe", b"1")
"""A header whose name is no UTF-8."""


async def kcat(bootstrap: str, record: ProducerRecord, folder: Path) -> None:
    """Write the record with librdkafka, and one header more."""
    file = folder / "value"
    file.write_bytes(record.value or b"")
    headers = [(name.encode(), value) for name, value in record.headers]
    options = [word for name, value in [*headers, STRANGE] for word in (b"-H", name + b"=" + value)]
    process = await asyncio.create_subprocess_exec(
        shutil.which("kcat") or "kcat", "-P", "-b", bootstrap, "-t", record.topic, "-p", "0", *options, str(file)
    )  # fmt: skip
    assert await process.wait() == 0


async def test_a_header_name_that_is_no_utf8_stops_nothing(site, until, tmp_path):
    worker = await site.worker()
    event = site.event("strange")
    no_event = ProducerRecord(event.topic, None, b"{}", (("ce_id", b"broken"),))
    await kcat(site.kafka.bootstrap_servers, no_event, tmp_path)
    await kcat(site.kafka.bootstrap_servers, event, tmp_path)
    await site.publish(site.event("after", partition=0))

    async def decided() -> bool:
        routed = {decision.event_id for decision in await site.decisions() if decision.outcome == "decided"}
        return routed == {"strange", "after"}

    await until(decided)
    await worker.leave()
    (dead,) = await site.read(site.topics.dead("router"))
    assert (dead.value, ("ce_\ufffd\ufffd", b"1") in dead.headers) == (b"{}", True)
