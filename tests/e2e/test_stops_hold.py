"""What recipients switched off holds while those who publish changes are away: a minute without PostgreSQL, or without the router."""

import asyncio
import contextlib
import os
import signal
import time
import uuid
from collections.abc import Iterator
from functools import partial
from typing import Any

import psutil
import pytest

from tocsin.testing.until import until

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.nightly]

COUNT = 60
AWAY_SECONDS = 60.0


@contextlib.contextmanager
def frozen(pid: int) -> Iterator[None]:
    """The process and all it started stand still."""
    process = psutil.Process(pid)
    family = [process, *process.children(recursive=True)]
    for member in family:
        member.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for member in reversed(family):
            with contextlib.suppress(psutil.NoSuchProcess):
                member.send_signal(signal.SIGCONT)


@pytest.fixture
async def workflow(tocsin: Any) -> str:
    """One mail of an optional category."""
    key = f"news-{uuid.uuid4().hex[:8]}"
    await saved(tocsin, f"/v1/categories/{key}", {"default": "on"})
    await saved(tocsin, f"/v1/workflows/{key}", {"category": key, "channels": ["email"]})
    template = {"parts": {"subject": "News", "text": "{{ data.order }}"}, "publish": True}
    await saved(tocsin, f"/v1/workflows/{key}/templates/email/default/en", template)
    return key


async def saved(tocsin: Any, path: str, body: dict[str, Any]) -> None:
    answer = await tocsin.admin.put(path, json=body)
    assert answer.status_code in {200, 201}, answer.text


async def sent(tocsin: Any, workflow: str, recipient: str) -> str:
    body = {"workflow": workflow, "recipients": [recipient], "data": {"order": "A-80"}}
    answer = await tocsin.api.post("/v1/notifications", json=body)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["notifications"][0]["notification_id"])


@pytest.mark.parametrize("away", ["postgres", "router"])
async def test_optional_mail_flows_and_an_answered_change_holds(
    tocsin: Any, workflow: str, away: str
) -> None:
    """The jobs of both persons were decided before the change; they are handed over when nobody can publish or decide any more."""
    stays, leaves = await tocsin.person(), await tocsin.person()
    processes = tocsin.endpoints()["processes"]
    with frozen(processes["dispatch-email"]["pid"]):
        wanted = [await sent(tocsin, workflow, stays.id) for _ in range(COUNT)]
        unwanted = [await sent(tocsin, workflow, leaves.id) for _ in range(COUNT)]
        for notification in (*wanted, *unwanted):
            await until(partial(routed, tocsin, notification), seconds=60, every=0.1)
        switched_off = {"preferences": [{"channel": "email", "category": workflow, "enabled": False}]}
        await saved(tocsin, f"/v1/recipients/{leaves.id}/preferences", switched_off)
    began = time.monotonic()
    with frozen(processes[away]["pid"]):
        await until(partial(all_caught, tocsin, wanted), seconds=AWAY_SECONDS, every=0.5)
        await asyncio.sleep(max(0.0, began + AWAY_SECONDS - time.monotonic()))
        if away == "router":
            os.kill(processes[away]["pid"], signal.SIGKILL)
    for notification in unwanted:
        statuses = await tocsin.until_final(notification, deliveries=1)
        assert [(s["status"], s["reason"]) for s in statuses if s["final"]] == [("skipped", "preference_off")]
    assert not await caught_of(tocsin, unwanted), "sent although it was switched off"


async def routed(tocsin: Any, notification: str) -> bool:
    return any(status["status"] == "routed" for status in await tocsin.statuses(notification))


async def caught_of(tocsin: Any, notifications: list[str]) -> set[str]:
    messages = (await tocsin.catcher.get("/api/messages")).raise_for_status().json()
    return {message["notification_id"] for message in messages} & set(notifications)


async def all_caught(tocsin: Any, notifications: list[str]) -> bool:
    return await caught_of(tocsin, notifications) == set(notifications)
