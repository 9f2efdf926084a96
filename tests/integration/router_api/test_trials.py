"""What a tenant writes is tried apart: it gets a 422 for what exceeds the limits, and everybody else goes on being served."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from tocsin.router.trials import TrialProcess, Trials
from tocsin.testing.until import until

from .conftest import Caller

pytestmark = pytest.mark.postgres

PREVIEW = "/v1/workflows/shipped/preview"
TEMPLATE = "/v1/workflows/shipped/templates/sms/default/en"


def words(body: str) -> dict[str, object]:
    return {"channel": "sms", "parts": {"body": body}}


@pytest.fixture
async def process(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[TrialProcess]:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    process = TrialProcess(module="hostile_child")
    app.state.trials = Trials([process])
    yield process
    await app.state.trials.close()


Tenant = Callable[[str], Awaitable[httpx.AsyncClient]]


@pytest.fixture
def tenant(caller: Caller) -> Tenant:
    async def made(name: str) -> httpx.AsyncClient:
        client = await caller(name)
        await client.put("/v1/categories/orders", json={"default": "required"})
        flow = {"category": "orders", "channels": ["sms"]}
        assert (await client.put("/v1/workflows/shipped", json=flow)).status_code in {200, 201}
        return client

    return made


@pytest.mark.parametrize("bomb", ["cpu", "memory", "abort"])
async def test_what_exceeds_the_limits_is_a_problem_and_saves_nothing(
    process: TrialProcess, tenant: Tenant, bomb: str
) -> None:
    acme = await tenant("acme")
    previewed = await acme.post(PREVIEW, json=words(bomb))
    saved = await acme.put(TEMPLATE, json={"parts": {"body": f"{bomb} when saved"}})
    for answer in (previewed, saved):
        assert (answer.status_code, answer.json()["code"]) == (422, "trial_exceeded")
        assert [fault["pointer"] for fault in answer.json()["errors"]] == ["/parts"]
    assert (await acme.get(TEMPLATE)).status_code == 404
    assert (await acme.post(PREVIEW, json=words("fine"))).json()["body"] == "fine"


async def test_others_are_served_while_a_trial_hangs(process: TrialProcess, tenant: Tenant) -> None:
    acme, other = await tenant("acme"), await tenant("other")
    assert (await acme.post(PREVIEW, json=words("fine"))).status_code == 200  # the child is there
    hanging = asyncio.create_task(acme.post(PREVIEW, json=words("hang")))
    async with asyncio.timeout(60):
        while (second := await acme.post(PREVIEW, json=words("fine"))).status_code == 200:
            if hanging.done():  # refused itself, as this one was tried at that moment
                hanging = asyncio.create_task(acme.post(PREVIEW, json=words("hang")))
    assert (second.status_code, second.json()["code"], second.headers["retry-after"]) == (
        429,
        "trial_busy",
        "1",
    )
    assert (await acme.get("/v1/workflows")).status_code == 200  # what needs no trial
    assert (
        await acme.put("/v1/workflows/shipped", json={"category": "orders", "channels": ["sms"]})
    ).is_success
    assert (await other.get("/v1/workflows")).status_code == 200
    waiting = asyncio.create_task(other.post(PREVIEW, json=words("fine")))
    assert not hanging.done()
    os.kill(process.pid or 0, signal.SIGKILL)
    assert (await hanging).json()["code"] == "trial_exceeded"
    assert (await waiting).json()["body"] == "fine"
    assert (await acme.post(PREVIEW, json=words("fine"))).status_code == 200


async def test_a_trial_that_hangs_keeps_neither_another_tenant_waiting_nor_the_other_mode(
    app: FastAPI, process: TrialProcess, tenant: Tenant, caller: Caller
) -> None:
    """Finding 21: a test key of one's own, and a live key of others, each find a child that is free."""
    second = TrialProcess(module="hostile_child")
    app.state.trials = Trials([process, second])
    acme, other = await tenant("acme"), await tenant("other")
    tester = await caller("acme", scopes=("read", "manage"), mode="test")
    hanging = asyncio.create_task(tester.post(PREVIEW, json=words("hang")))
    await until(lambda: process.pid is not None)
    for client in (acme, other):
        answer = await client.post(PREVIEW, json=words("fine"))
        assert (answer.status_code, answer.json()["body"]) == (200, "fine")
    assert not hanging.done()
    assert second.pid is not None
    await until(lambda: process.pid is not None)
    os.kill(process.pid or 0, signal.SIGKILL)
    assert (await hanging).json()["code"] in {"trial_exceeded", "not_ready"}


async def test_schema_and_expression_are_tried_when_a_workflow_is_saved(
    process: TrialProcess, tenant: Tenant
) -> None:
    acme = await tenant("acme")
    assert process.pid is None  # nothing to try so far
    flow = {
        "category": "orders",
        "channels": ["sms"],
        "data_schema": {"type": "object", "examples": [{"to": ["a", "b"]}]},
        "recipients": "data.to[]",
    }
    assert (await acme.put("/v1/workflows/shipped", json=flow)).status_code == 200
    assert process.pid is not None


async def test_a_preview_needs_manage(process: TrialProcess, tenant: Tenant, caller: Caller) -> None:
    await tenant("acme")
    reader = await caller("acme", scopes=("read", "send"))
    refused = await reader.post(PREVIEW, json=words("fine"))
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")
    assert process.pid is None
