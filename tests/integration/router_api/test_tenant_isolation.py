"""What one tenant has does not exist for another: every route, asked with another tenant's key."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tocsin.router.api import create_app

from .conftest import Caller

OWN = {"default": "on"}
NAMES = {
    "name": "default",
    "recipient": "ada",
    "device": "phone",
    "category": "orders",
    "workflow": "shipped",
    "channel": "sms",
    "locale": "de",
    "revision": "1",
    "endpoint": "shop",
}
BODIES: dict[str, Any] = {
    "publish": {},
    "preview": {"channel": "sms"},
    "rotate": {},
    "devices": {"token": "theirs"},
    "secrets": {},
    "templates": {"parts": {"body": "theirs"}},
}
# A PUT under a name of one's own creates; it is shown below that this leaves the other tenant's alone.
CREATES = {
    ("PUT", "/v1/recipients/{recipient}"),
    ("PUT", "/v1/categories/{category}"),
    ("PUT", "/v1/webhook-endpoints/{endpoint}"),
}
# Answers for the caller's own tenant whatever exists: lists, creations, and preferences, which anybody has (none).
OF_THE_CALLER = {
    ("GET", "/v1/recipients/{recipient}/preferences"),
    ("PUT", "/v1/recipients/{recipient}/preferences"),
    ("PUT", "/v1/workflows/{workflow}"),
}


def routes() -> Iterator[tuple[str, str]]:
    """Every operation on something with a name."""
    for path, operations in create_app().openapi()["paths"].items():
        if path.startswith(("/v1/tenants", "/u/", "/v1/me/")) or "{" not in path:
            continue
        for method in operations:
            if (method.upper(), path) not in CREATES | OF_THE_CALLER:
                yield method.upper(), path


async def fill(client: httpx.AsyncClient) -> str:
    """One of each; the id of a key."""
    await client.put("/v1/recipients/ada", json={"email": "ada@example.com"})
    await client.put("/v1/recipients/ada/devices/phone", json={"token": "t"})
    await client.put("/v1/categories/orders", json={"name": "Orders"})
    await client.put("/v1/workflows/shipped", json={"category": "orders", "channels": ["sms"]})
    await client.put(
        "/v1/workflows/shipped/templates/sms/default/de", json={"parts": {"body": "Hallo"}, "publish": True}
    )
    await client.put("/v1/webhook-endpoints/shop", json={"url": "https://hooks.shop.example/"})
    preferences = {"preferences": [{"channel": "sms", "enabled": False}]}
    assert (await client.put("/v1/recipients/ada/preferences", json=preferences)).status_code == 200
    await client.post("/v1/suppressions", json={"channel": "email", "address": "ada@example.com"})
    key = await client.post("/v1/api-keys", json={"scopes": ["read"]})
    return str(key.json()["id"])


def body_of(path: str) -> Any:
    """A body the route would take."""
    bodies = [body for name, body in BODIES.items() if re.search(rf"/{name}(/|$)", path)]
    return (
        bodies[0]
        if path.endswith(("publish", "preview", "rotate")) or "templates" in path or bodies
        else None
    )


async def everything(client: httpx.AsyncClient, key_id: str) -> list[Any]:
    """All that a tenant has, as its own key sees it."""
    paths = [
        "/v1/recipients",
        "/v1/recipients/ada/preferences",
        "/v1/categories",
        "/v1/webhook-endpoints",
        "/v1/workflows",
        "/v1/workflows/shipped/templates",
        f"/v1/api-keys/{key_id}",
        "/v1/tenant",
        "/v1/suppressions",
    ]
    return [(await client.get(path)).json() for path in paths]


@pytest.mark.parametrize(("method", "path"), sorted(routes()))
async def test_another_tenants_key_sees_nothing(
    acme: httpx.AsyncClient, other: httpx.AsyncClient, method: str, path: str
) -> None:
    key_id = await fill(acme)
    before = await everything(acme, key_id)
    for name, value in {**NAMES, "key_id": key_id}.items():
        path = path.replace(f"{{{name}}}", value)
    answer = await other.request(method, path, json=body_of(path))
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert await everything(acme, key_id) == before


async def test_the_same_names_in_two_tenants_are_two_things(
    acme: httpx.AsyncClient, other: httpx.AsyncClient
) -> None:
    key_id = await fill(acme)
    before = await everything(acme, key_id)
    theirs = await other.get("/v1/recipients/ada/preferences")
    assert (theirs.json()["stored"], theirs.json()["effective"]) == ([], [])
    assert (
        await other.put("/v1/workflows/shipped", json={"category": "orders", "channels": ["sms"]})
    ).status_code == 422
    await other.put("/v1/recipients/ada", json={"email": "else@example.com"})
    await other.put("/v1/categories/orders", json={"name": "Theirs", "default": "off"})
    await other.put("/v1/workflows/shipped", json={"category": "orders", "channels": ["email"]})
    await other.put(
        "/v1/recipients/ada/preferences", json={"preferences": [{"category": "orders", "enabled": True}]}
    )
    bulk = {"recipients": [{"id": "ada", "email": "third@example.com"}]}
    await other.post("/v1/recipients/bulk", json=bulk)
    await other.put("/v1/tenant", json={"name": "Theirs"})
    for path in ("/v1/recipients/ada", "/v1/workflows/shipped", "/v1/categories/orders"):
        assert (await other.delete(path)).status_code == 204
    assert await everything(acme, key_id) == before
    assert (await other.get("/v1/recipients")).json()["data"] == []


def operations() -> Iterator[tuple[str, str, str]]:
    """Every operation with the scope it asks for."""
    for path, operations in create_app().openapi()["paths"].items():
        for method, operation in operations.items():
            if not path.startswith(("/u/", "/v1/me/")):
                (scheme,) = operation["security"]
                yield method.upper(), path, scheme["apiKey"][0]


@pytest.mark.parametrize(("method", "path", "scope"), sorted(operations()))
async def test_every_route_asks_for_its_scope(
    caller: Caller, app: FastAPI, method: str, path: str, scope: str
) -> None:
    path = re.sub(r"\{\w+\}", "x", path)
    without = await caller(
        "acme", scopes=[granted for granted in ("send", "read", "manage", "operate") if granted != scope]
    )
    refused = await without.request(method, path)
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://t") as nobody:
        assert (await nobody.request(method, path)).status_code == 401
