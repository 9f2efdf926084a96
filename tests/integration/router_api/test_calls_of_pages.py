"""Pages of other origins call with recipients' tokens where the token's tenant has named them (CORS), and nowhere else."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import REGISTRY
from sqlalchemy.ext.asyncio import AsyncEngine

from tocsin.testing import ManualClock

from .conftest import HS256, SHOP, Sign, bearer, statements

pytestmark = pytest.mark.postgres

QUESTION = {
    "access-control-request-method": "PUT",
    "access-control-request-headers": "authorization,content-type",
}


async def test_a_browser_lets_the_tenants_own_pages_call(
    shop: httpx.AsyncClient, anybody: httpx.AsyncClient, sign: Sign
) -> None:
    may = await anybody.options("/v1/me/preferences", headers={"origin": SHOP, **QUESTION})
    assert (may.status_code, may.headers["access-control-allow-origin"]) == (204, SHOP)
    assert "authorization" in may.headers["access-control-allow-headers"]
    answer = await anybody.get("/v1/me/preferences", headers={"origin": SHOP, **bearer(sign())})
    assert answer.headers["access-control-allow-origin"] == SHOP
    assert "origin" in answer.headers["vary"].lower()
    refused = await anybody.get("/v1/me/preferences", headers={"origin": SHOP})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, SHOP)


async def test_other_pages_are_not_let_call_nor_shown_an_answer(
    shop: httpx.AsyncClient, other: httpx.AsyncClient, anybody: httpx.AsyncClient, sign: Sign
) -> None:
    theirs = "https://theirs.example"
    await other.put("/v1/tenant/inbox-keys", json={"keys": [], "origins": [theirs]})
    for origin in (
        "https://evil.example",
        "null",
        "https://shop.example.evil.example",
        "http://shop.example",
    ):
        asked = await anybody.options("/v1/me/preferences", headers={"origin": origin, **QUESTION})
        assert "access-control-allow-origin" not in asked.headers
    shown = await anybody.get("/v1/me/preferences", headers={"origin": theirs, **bearer(sign())})
    assert "access-control-allow-origin" not in shown.headers
    elsewhere = await anybody.options("/v1/tenant", headers={"origin": SHOP, **QUESTION})
    assert (elsewhere.status_code, "access-control-allow-origin" in elsewhere.headers) == (405, False)


async def test_another_tenants_page_changes_nothing(
    shop: httpx.AsyncClient, other: httpx.AsyncClient, anybody: httpx.AsyncClient, sign: Sign
) -> None:
    """A browser's question names no tenant, so it may call; the token says whose it is, before anything is done."""
    theirs = "https://theirs.example"
    await other.put("/v1/tenant/inbox-keys", json={"keys": [], "origins": [theirs]})
    asked = await anybody.options("/v1/me/preferences", headers={"origin": theirs, **QUESTION})
    assert asked.headers["access-control-allow-origin"] == theirs
    body = {"preferences": [{"channel": "sms", "enabled": False}]}
    for origin in (theirs, "https://evil.example", "null"):
        answer = await anybody.put(
            "/v1/me/preferences", json=body, headers={"origin": origin, **bearer(sign())}
        )
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        assert "access-control-allow-origin" not in answer.headers
    assert (await shop.get("/v1/recipients/ada/preferences")).json()["stored"] == []
    own = await anybody.put("/v1/me/preferences", json=body, headers={"origin": SHOP, **bearer(sign())})
    assert own.status_code == 200


async def test_a_browsers_question_has_its_id_and_is_counted(
    shop: httpx.AsyncClient, anybody: httpx.AsyncClient
) -> None:
    labels = {"component": "router", "method": "OPTIONS", "route": "unmatched", "status": "204"}
    before = REGISTRY.get_sample_value("tocsin_http_requests_total", labels) or 0
    may = await anybody.options("/v1/me/preferences", headers={"origin": SHOP, **QUESTION})
    assert may.headers["x-request-id"]
    assert REGISTRY.get_sample_value("tocsin_http_requests_total", labels) == before + 1


async def test_where_origins_cannot_be_looked_up_the_rest_is_answered(
    app: FastAPI, shop: httpx.AsyncClient, anybody: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Away:
        def connect(self) -> Any:
            raise OSError("the database is away")

    monkeypatch.setattr(app.state, "engine", Away())
    asked = await anybody.options("/v1/me/preferences", headers={"origin": SHOP, **QUESTION})
    assert (asked.status_code, asked.json()["code"]) == (503, "not_ready")
    assert asked.headers["content-type"] == "application/problem+json"
    assert asked.json()["request_id"] == asked.headers["x-request-id"]
    answer = await anybody.get("/v1/me/preferences", headers={"origin": SHOP})
    assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid")
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("origin", ["null", "ftp://x.example", "https://" + "x" * 300, "https://x:443"])
async def test_what_no_page_of_the_web_sends_is_not_looked_up(
    engine: AsyncEngine, shop: httpx.AsyncClient, anybody: httpx.AsyncClient, origin: str
) -> None:
    with statements(engine) as executed:
        asked = await anybody.options("/v1/me/preferences", headers={"origin": origin, **QUESTION})
        await anybody.get("/v1/me/preferences", headers={"origin": origin})
    assert (asked.status_code, executed) == (204, [])


async def test_an_origin_is_looked_up_once_in_two_seconds(
    engine: AsyncEngine, clock: ManualClock, shop: httpx.AsyncClient, anybody: httpx.AsyncClient
) -> None:
    question = {"origin": "https://nobodys.example", **QUESTION}
    with statements(engine) as executed:
        for _ in range(5):
            await anybody.options("/v1/me/preferences", headers=question)
        assert len(executed) == 1
        clock.advance(2.1)
        await anybody.options("/v1/me/preferences", headers=question)
    assert len(executed) == 2


async def test_an_origin_that_is_saved_may_call_at_once(
    shop: httpx.AsyncClient, anybody: httpx.AsyncClient
) -> None:
    question = {"origin": "https://new.example", **QUESTION}
    before = await anybody.options("/v1/me/preferences", headers=question)
    await shop.put("/v1/tenant/inbox-keys", json={"keys": [HS256], "origins": [SHOP, "https://new.example"]})
    after = await anybody.options("/v1/me/preferences", headers=question)
    assert ["access-control-allow-origin" in answer.headers for answer in (before, after)] == [False, True]
