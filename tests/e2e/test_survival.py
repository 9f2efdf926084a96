"""Killed in the middle of work, nothing is lost and nothing doubled."""

import contextlib
import os
import signal
import uuid
from collections import Counter
from typing import Any

import pytest

from tocsin.contracts.codec import decode_status
from tocsin.contracts.statuses import Decision, StatusRecord
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Lane
from tocsin.kafka import KafkaSettings, read_to_end
from tocsin.testing.until import until

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

COUNT = 300
DATA = {"order": "A-79", "carrier": "ParcelCo", "arrives": "Monday"}


@pytest.fixture
async def workflow(tocsin) -> str:
    """A workflow on email alone, so that the load is of known size."""
    key = f"load-{uuid.uuid4().hex[:8]}"
    body = {"name": "Load", "category": "orders", "lane": "transactional", "channels": ["email"]}
    (await tocsin.admin.put(f"/v1/workflows/{key}", json=body)).raise_for_status()
    path = f"/v1/workflows/{key}/templates/email/default/en"
    saved = await tocsin.admin.put(path, json={"parts": {"subject": "Load", "text": "{{ data.order }}"}})
    saved.raise_for_status()
    published = await tocsin.admin.post(f"{path}/publish", json={"revision": saved.json()["revision"]})
    published.raise_for_status()

    async def reaches_a_probe() -> bool:
        """Workflow and template have come to ingest and router by way of the directory."""
        body = {
            "workflow": key,
            "recipients": [{"id": "probe", "email": "probe@person.example"}],
            "data": DATA,
        }
        answer = await tocsin.api.post("/v1/notifications", json=body)
        if answer.status_code != 202:
            return False
        probe = answer.json()["notifications"][0]["notification_id"]
        return {s["status"] for s in await tocsin.until_final(probe, deliveries=1)} >= {"sent"}

    await until(reaches_a_probe, seconds=60, every=0.2)
    return key


@pytest.mark.parametrize(
    "victim",
    ["router", *(pytest.param(name, marks=pytest.mark.nightly) for name in ("ledger", "dispatch-email"))],
)
async def test_kill_in_mid_load(tocsin, workflow, victim):
    pid = tocsin.endpoints()["processes"][victim]["pid"]
    sent: list[str] = []

    async def load() -> None:
        for number in range(COUNT):
            recipient = {"id": f"load-{number}", "email": f"load{number}@person.example"}
            body = {"workflow": workflow, "recipients": [recipient], "data": DATA}
            answer = await tocsin.api.post(
                "/v1/notifications", json=body, headers={"idempotency-key": str(uuid.uuid4())}
            )
            assert answer.status_code == 202, answer.text
            sent.append(answer.json()["notifications"][0]["notification_id"])
            if number == COUNT // 3:
                os.kill(pid, signal.SIGKILL)

    await load()
    assert await sent_notifications(tocsin, sent) == set(sent), "lost"
    caught = Counter(
        message["notification_id"] for message in (await tocsin.catcher.get("/api/messages")).json()
    )
    assert set(sent) <= set(caught)
    if victim != "dispatch-email":  # whose promise is: at most those in flight
        assert {caught[notification] for notification in sent} == {1}, "doubled"
    statuses = [s for notification in sent[:: COUNT // 10] for s in await tocsin.statuses(notification)]
    assert Counter(s["status"] for s in statuses)["accepted"] == len(sent[:: COUNT // 10])
    assert tocsin.endpoints()["processes"][victim]["pid"] != pid


async def sent_notifications(tocsin, wanted: list[str]) -> set[str]:
    """Those of the wanted notifications for which the ledger says sent, once it says so for all, or after two minutes."""
    missing = set(wanted)

    async def complete() -> bool:
        for notification in list(missing):
            if any(s["status"] == "sent" for s in await tocsin.statuses(notification)):
                missing.discard(notification)
        return not missing

    with contextlib.suppress(TimeoutError):
        await until(complete, seconds=120, every=0.2)
    return set(wanted) - missing


async def test_statuses_of_a_re_run_have_the_ids_of_the_first(tocsin):
    """After all that killing: readers of the topic who drop ids they have see each thing once."""
    settings = KafkaSettings(bootstrap_servers=tocsin.stack["kafka"])
    found: list[Any] = []
    batches = read_to_end(settings=settings, topic=Topics().status(Lane.TRANSACTIONAL), deadline=30)
    async for batch in batches:
        found += [decode_status(record.value or b"") for record in batch]
    by_subject = Counter(map(_about, {s.status_id: s for s in found}.values()))
    assert max(by_subject.values()) == 1


def _about(record: StatusRecord) -> tuple[str, ...]:
    """What the record says, of what, and because of which record: no two say the same."""
    if isinstance(record, Decision):
        return record.notification_id, "decision", record.cause
    return record.subject, record.status, record.cause
