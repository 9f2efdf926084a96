"""Taking messages back through the whole of Tocsin: what is cancelled 5 s before it could go out never does."""

import time
import uuid
from functools import partial
from typing import Any

import pytest
from tests.e2e.test_stops_hold import caught_of, frozen, routed, saved

from tocsin.testing.until import until

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

IN_FORCE = 5.0


@pytest.fixture
async def workflow(tocsin: Any) -> str:
    """One mail of an optional category."""
    key = f"cancel-{uuid.uuid4().hex[:8]}"
    await saved(tocsin, f"/v1/categories/{key}", {"default": "on"})
    await saved(tocsin, f"/v1/workflows/{key}", {"category": key, "channels": ["email"], "lane": "bulk"})
    template = {"parts": {"subject": "Cancel", "text": "{{ data.order }}"}, "publish": True}
    await saved(tocsin, f"/v1/workflows/{key}/templates/email/default/en", template)
    return key


async def sent(tocsin: Any, workflow: str, recipient: str, **more: str) -> str:
    body = {"workflow": workflow, "recipients": [recipient], "data": {"order": "A-90"}} | more
    answer = await tocsin.api.post("/v1/notifications", json=body)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["notifications"][0]["notification_id"])


async def summary(tocsin: Any, notification: str) -> dict[str, Any]:
    answer = await tocsin.api.get(f"/v1/timelines/{notification}")
    return dict(answer.json()["summary"]) if answer.is_success else {}


async def comes_to(tocsin: Any, notification: str, cancellation: str) -> bool:
    return (await summary(tocsin, notification)).get("cancellation") == cancellation


async def test_what_waits_is_taken_back_by_its_id_or_its_key_and_the_rest_goes_out(
    tocsin: Any, workflow: str
) -> None:
    key, recipient = uuid.uuid4().hex, (await tocsin.person()).id
    dispatcher = tocsin.endpoints()["processes"]["dispatch-email"]
    with frozen(dispatcher["pid"]):
        by_id, kept = [await sent(tocsin, workflow, recipient) for _ in range(2)]
        by_key = [await sent(tocsin, workflow, recipient, cancel_key=key) for _ in range(2)]
        for notification in (by_id, kept, *by_key):
            await until(partial(routed, tocsin, notification), seconds=60, every=0.1)
        assert (await tocsin.api.delete(f"/v1/notifications/{by_id}")).status_code == 202
        assert (await tocsin.api.post("/v1/cancellations", json={"key": key})).status_code == 202
        for notification in (by_id, *by_key):
            await until(partial(comes_to, tocsin, notification, "requested"), seconds=60, every=0.1)
        began = time.monotonic()
        later = await sent(tocsin, workflow, recipient, cancel_key=key)
        await until(lambda: time.monotonic() > began + IN_FORCE, seconds=60, every=0.1)
    for notification in (by_id, *by_key):
        await until(partial(comes_to, tocsin, notification, "cancelled"), seconds=60, every=0.1)
        statuses = await tocsin.statuses(notification)
        assert [status["status"] for status in statuses] == [
            "accepted",
            "routed",
            "cancel_requested",
            "cancelled",
        ]
    for notification in (kept, later):
        assert (await tocsin.until_final(notification, deliveries=1))[-1]["status"] == "sent"
    assert await caught_of(tocsin, [by_id, kept, later, *by_key]) == {kept, later}
    assert (await tocsin.api.delete(f"/v1/notifications/{kept}")).status_code == 202
    await until(partial(comes_to, tocsin, kept, "too_late"), seconds=60, every=0.1)


async def test_an_id_that_nobody_knows_is_taken_and_its_timeline_says_so(tocsin: Any) -> None:
    unknown = str(uuid.uuid4())
    answer = await tocsin.api.delete(f"/v1/notifications/{unknown}")
    assert (answer.status_code, set(answer.json())) == (202, {"event_id"})
    await until(partial(comes_to, tocsin, unknown, "requested"), seconds=60, every=0.1)
    assert (await summary(tocsin, unknown))["state"] == "cancel_requested"
