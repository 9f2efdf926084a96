"""While one release replaces another, rows hold channels and values that the older one does not know. It shows them as they are."""

import json

import httpx

from tocsin.contracts.vocabulary import Channel

from .conftest import Directory

PIGEON = {"address": "loft 7"}


async def test_what_a_newer_release_has_stored_is_answered(
    acme: httpx.AsyncClient, directory: Directory
) -> None:
    flow = {"category": "orders", "steps": [{"name": "a", "kind": "send", "channels": ["sms"]}]}
    await acme.put("/v1/categories/orders", json={"default": "on"})
    await acme.put("/v1/workflows/shipped", json=flow)
    await acme.put("/v1/workflows/shipped/templates/sms/default/en", json={"parts": {"body": "Hi"}})
    await acme.put(
        "/v1/recipients/ada/preferences", json={"preferences": [{"channel": "sms", "enabled": False}]}
    )
    steps = [{"name": "a", "kind": "send", "channels": ["pigeon", "sms"], "template": "default"}]
    for statement, value in (
        ("UPDATE directory.workflows SET steps = CAST(:value AS jsonb)", steps),
        ("UPDATE directory.tenants SET senders = CAST(:value AS jsonb)", {"pigeon": PIGEON}),
        ("UPDATE directory.tenants SET providers = CAST(:value AS jsonb)", {"pigeon": ["loft"]}),
    ):
        await directory.rows(statement, value=json.dumps(value))
    await directory.rows("UPDATE directory.templates SET channel = 'pigeon'")
    await directory.rows("UPDATE directory.preferences SET channel = 'pigeon'")

    workflow = (await acme.get("/v1/workflows/shipped")).json()
    assert (workflow["steps"], workflow["channels"]) == (steps, None)
    assert (await acme.get("/v1/workflows")).json()["data"] == [workflow]
    tenant = (await acme.get("/v1/tenant")).json()
    assert tenant["senders"] == {"email": None, "sms": None, "pigeon": PIGEON}
    assert tenant["providers"] == {"pigeon": ["loft"]}
    templates = (await acme.get("/v1/workflows/shipped/templates")).json()["data"]
    assert [template["channel"] for template in templates] == ["pigeon"]
    preferences = (await acme.get("/v1/recipients/ada/preferences")).json()
    assert [stored["channel"] for stored in preferences["stored"]] == ["pigeon"]
    assert {row["channel"] for row in preferences["effective"]} == set(Channel)
