"""Templates of messages in the app: their buttons are parts, each with its form, and no two have one name."""

import httpx
import pytest

pytestmark = pytest.mark.postgres

PARTS = {
    "title": "Order {{ data.order }}",
    "body": "It is here.",
    "actions.1.name": "track",
    "actions.1.label": "Track {{ data.order }}",
    "actions.1.url": "https://shop.example/{{ data.order }}",
    "actions.3.name": "{{ data.more | default('') }}",
    "actions.3.label": "{{ data.more | default('') }}",
}


async def test_the_buttons_of_a_message_in_the_app_are_checked_and_shown(acme: httpx.AsyncClient) -> None:
    await acme.put("/v1/categories/orders", json={"name": "Orders", "default": "on"})
    workflow = {"name": "Arrived", "category": "orders", "lane": "transactional", "channels": ["inapp"]}
    assert (await acme.put("/v1/workflows/arrived", json=workflow)).is_success
    path = "/v1/workflows/arrived/templates/inapp/default/en"
    wrong = {
        "title": "x",
        "body": "y",
        "actions.1.label": "Open",
        "actions.2.name": "Not a name",
        "actions": "[]",
    }
    refused = await acme.put(path, json={"parts": wrong})
    assert {fault["pointer"] for fault in refused.json()["errors"]} == {
        "/parts", "/parts/actions", "/parts/actions.2.name",
    }  # fmt: skip
    assert "actions.<1 to 3>.name" in refused.text
    assert (await acme.put(path, json={"parts": PARTS, "publish": True})).status_code == 201

    async def shown(**data: str) -> httpx.Response:
        return await acme.post("/v1/workflows/arrived/preview", json={"channel": "inapp", "data": data})

    track = {"name": "track", "label": "Track 7", "url": "https://shop.example/7"}
    assert (await shown(order="7")).json()["actions"] == [track]
    more = {"name": "later", "label": "later"}
    assert (await shown(order="7", more="later")).json()["actions"][1] == more | {"url": None}
    assert "of its own" in (await shown(order="7", more="track")).json()["errors"][0]["detail"]
