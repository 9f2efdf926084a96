"""What hostile tenants write is refused by name; and what came in all the same can be read, replaced and deleted."""

import json

import httpx
import pytest
from tests.hostile_programs import DOUBLING_EXPRESSION, DOUBLING_SCHEMA, HOSTILE_TEMPLATES

from .conftest import Directory

pytestmark = pytest.mark.postgres

WORKFLOW = "/v1/workflows/shipped"
TEMPLATE = f"{WORKFLOW}/templates/sms/default/en"
FLOW = {"category": "orders", "channels": ["sms"], "data_schema": {"type": "object"}, "recipients": "data.to"}
WORDS = {"parts": {"body": "Hello {{ data.to }}"}, "publish": True}
PLANT = {
    "schema": ("workflows", "data_schema", json.dumps(DOUBLING_SCHEMA)),
    "expression": ("workflows", "recipients", DOUBLING_EXPRESSION),
    "template": ("templates", "parts", json.dumps({"body": HOSTILE_TEMPLATES[0]})),
}


@pytest.fixture
async def shop(acme: httpx.AsyncClient) -> httpx.AsyncClient:
    """Tenant acme with a workflow and its published template."""
    assert (await acme.put("/v1/categories/orders", json={})).status_code == 201
    assert (await acme.put(WORKFLOW, json=FLOW)).status_code == 201
    assert (await acme.put(TEMPLATE, json=WORDS)).status_code == 201
    return acme


@pytest.mark.parametrize("source", HOSTILE_TEMPLATES)
async def test_a_hostile_template_is_refused_by_name_and_the_next_request_served(
    shop: httpx.AsyncClient, source: str
) -> None:
    preview = {"channel": "sms", "data": {"l": ["\\" * 100]}}
    refused = await shop.post(f"{WORKFLOW}/preview", json=preview | {"parts": {"body": source}})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_template")
    assert {(fault["pointer"], fault["code"]) for fault in refused.json()["errors"]} == {
        ("/parts/body", "template_forbidden")
    }
    fine = {"parts": {"body": "{{ data.l|length }}"}}
    assert (await shop.post(f"{WORKFLOW}/preview", json=preview | fine)).json()["body"] == "1"


async def plant(directory: Directory, *kinds: str) -> None:
    for table, column, value in (PLANT[kind] for kind in kinds):
        kind = "text" if column == "recipients" else "jsonb"
        await directory.rows(f"UPDATE directory.{table} SET {column} = CAST(:value AS {kind})", value=value)


async def read(client: httpx.AsyncClient) -> set[int]:
    paths = (WORKFLOW, "/v1/workflows", TEMPLATE, f"{WORKFLOW}/templates", f"{TEMPLATE}/revisions/1")
    return {(await client.get(path)).status_code for path in paths}


@pytest.mark.parametrize("kinds", [("schema",), ("expression",), ("template",), tuple(PLANT)], ids="+".join)
async def test_what_came_in_all_the_same_is_read_replaced_and_deleted(
    shop: httpx.AsyncClient, directory: Directory, kinds: tuple[str, ...]
) -> None:
    await plant(directory, *kinds)
    assert await read(shop) == {200}
    replaced = await shop.put(TEMPLATE, json=WORDS)
    assert replaced.is_success, replaced.text
    mended = await shop.put(WORKFLOW, json=FLOW)
    assert mended.is_success, mended.text
    assert mended.json()["data_schema"] == FLOW["data_schema"]
    await plant(directory, *kinds)
    assert (await shop.delete(TEMPLATE)).status_code == 204
    assert (await shop.delete(WORKFLOW)).status_code == 204
    assert (await shop.get(WORKFLOW)).status_code == 404
