"""A workflow that workers refuse says so in its answers, until a new revision or the end of the hour."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from tocsin.programs import CrashNote, Program
from tocsin.router.refused_revisions import store_refusals

from .conftest import Directory

pytestmark = pytest.mark.postgres

FLOW: dict[str, Any] = {"category": "orders", "channels": ["sms"]}
WORKFLOW = "/v1/workflows/shipped"
TEMPLATE = f"{WORKFLOW}/templates/sms/default/en"


@pytest.fixture
async def shop(acme: httpx.AsyncClient) -> httpx.AsyncClient:
    """Tenant acme with a workflow and its published template."""
    assert (await acme.put("/v1/categories/orders", json={"name": "Orders"})).status_code == 201
    assert (await acme.put(WORKFLOW, json=FLOW)).status_code == 201
    saved = await acme.put(TEMPLATE, json={"parts": {"body": "Hello"}})
    assert saved.status_code in {200, 201}
    published = await acme.post(f"{TEMPLATE}/publish", json={"revision": 1})
    assert published.status_code == 200, published.text
    return acme


async def refuse(directory: Directory, folder: Path, *programs: Program) -> None:
    """What a worker does that starts after others have died in these programs."""
    for program in programs:
        note = CrashNote(folder=folder, service="router")
        note.open()
        note.noted(program.tenant, program.workflow, program.revision, part=program.part).__enter__()
        note.close()
    note = CrashNote(folder=folder, service="router")
    note.open()
    await store_refusals(directory.engine, note)
    note.close()


async def unusable(client: httpx.AsyncClient) -> list[bool]:
    """As the workflow's own answer has it, and the list."""
    workflow = (await client.get(WORKFLOW)).json()
    (listed,) = (await client.get("/v1/workflows")).json()["data"]
    return [workflow["unusable_until"] is not None, listed["unusable_until"] is not None]


async def test_a_refused_revision_is_shown_until_the_next(
    shop: httpx.AsyncClient, directory: Directory, tmp_path: Path
) -> None:
    assert await unusable(shop) == [False, False]
    await refuse(directory, tmp_path, Program("acme", "shipped", "", 1))
    assert await unusable(shop) == [True, True]
    same = await shop.put(WORKFLOW, json=FLOW)
    assert (same.json()["revision"], same.json()["unusable_until"] is None) == (1, False)
    changed = await shop.put(WORKFLOW, json={**FLOW, "name": "Shipped"})
    assert (changed.json()["revision"], changed.json()["unusable_until"]) == (2, None)
    assert await unusable(shop) == [False, False]


async def test_a_refused_template_is_shown_at_its_workflow(
    shop: httpx.AsyncClient, directory: Directory, tmp_path: Path
) -> None:
    await refuse(directory, tmp_path, Program("acme", "shipped", "sms/default/en", 1))
    assert await unusable(shop) == [True, True]
    await shop.put(TEMPLATE, json={"parts": {"body": "Hello again"}})
    assert (await shop.post(f"{TEMPLATE}/publish", json={"revision": 2})).status_code == 200
    assert await unusable(shop) == [False, False]


async def test_what_is_over_or_another_tenants_is_not_shown(
    shop: httpx.AsyncClient, directory: Directory, tmp_path: Path
) -> None:
    await refuse(directory, tmp_path, Program("other", "shipped", "", 1), Program("acme", "else", "", 1))
    assert await unusable(shop) == [False, False]
    await refuse(directory, tmp_path, Program("acme", "shipped", "", 1))
    await directory.rows("UPDATE directory.refused_revisions SET until = now() - interval '1 second'")
    assert await unusable(shop) == [False, False]
    note = CrashNote()
    await store_refusals(directory.engine, note)
    assert await directory.rows("SELECT * FROM directory.refused_revisions") == []
