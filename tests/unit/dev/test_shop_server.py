"""The shop's page: it signs in one person, gives away no key, and answers only this machine."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import jwt
import pytest
from aiohttp import web

from tocsin.dev.processes import free_port
from tocsin.dev.shop.keys import let_shop_sign
from tocsin.dev.shop.shop_server import ShopServer

KEY, SECRET = "tk_live_shop_secret", "a-secret-of-the-shop-with-32-characters"


@pytest.fixture
async def stack() -> AsyncIterator[tuple[str, list[tuple[str, str, Any]]]]:
    """Somebody in place of the entry, and what was asked of it."""
    asked: list[tuple[str, str, Any]] = []

    async def answer(request: web.Request) -> web.Response:
        assert request.headers["authorization"] == f"Bearer {KEY}"
        asked.append(
            (request.method, request.path_qs, await request.json() if request.can_read_body else None)
        )
        if request.path == "/v1/timelines":
            return web.json_response({"data": [{"notification_id": "n-1"}]})
        return web.json_response({"timeline": [{"status": "sent"}]})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield f"http://127.0.0.1:{port}", asked
    await runner.cleanup()


@pytest.fixture
async def page(stack: tuple[str, Any]) -> AsyncIterator[httpx.AsyncClient]:
    server = ShopServer(entry=stack[0], api_key=KEY, secret=SECRET)
    port = free_port()
    await server.open(port)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        yield client
    await server.close()


async def test_a_token_names_the_person_who_is_signed_in(page: httpx.AsyncClient) -> None:
    token = (await page.post("/token")).text
    claims = jwt.decode(token, SECRET, algorithms=["HS256"], audience="tocsin:inbox")
    assert (claims["tid"], claims["sub"]) == ("sample", "anna")
    assert claims["exp"] - claims["iat"] == 3600


async def test_the_page_sends_and_shows_what_timelines_say(
    page: httpx.AsyncClient, stack: tuple[str, Any]
) -> None:
    assert (await page.post("/messages", json={})).status_code == 200
    ((method, path, body),) = stack[1]
    assert (method, path, body["recipients"]) == ("POST", "/v1/notifications", ["anna"])
    told = (await page.get("/timelines")).json()
    assert told == [{"notification": "n-1", "timeline": [{"status": "sent"}]}]


async def test_a_page_of_somebody_else_sends_nothing(page: httpx.AsyncClient, stack: tuple[str, Any]) -> None:
    """Without asking first a browser sends such a body only, and no answer allows more."""
    plain = await page.post("/messages", content="{}", headers={"content-type": "text/plain"})
    assert plain.status_code == 415
    asking = await page.options("/messages", headers={"origin": "https://evil.example"})
    assert "access-control-allow-origin" not in asking.headers
    assert (await page.post("/token", headers={"host": "evil.example"})).status_code == 403
    assert stack[1] == []


async def test_no_file_of_the_page_has_a_secret_and_nothing_of_elsewhere_runs(
    page: httpx.AsyncClient,
) -> None:
    for path in ("/", "/page/shop.js", "/page/shop.css", "/tocsin-inbox.js", "/setup.json"):
        answer = await page.get(path)
        assert answer.status_code == 200
        assert KEY not in answer.text
        assert SECRET not in answer.text
    policy = (await page.get("/")).headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; ")
    assert (await page.get("/tocsin-inbox-worker.js")).status_code == 404


async def test_what_the_developer_saved_stays() -> None:
    saved: list[Any] = []

    class Tenant:
        async def do(self, method: str, _path: str, body: Any = None) -> Any:
            if method == "PUT":
                saved.append(body)
            own = {"id": "mine", "algorithm": "ES256", "public_key": "PEM", "created_at": "2026-01-01"}
            former = {"id": "shop-page", "algorithm": "HS256"}
            return {"keys": [former, own], "origins": ["http://127.0.0.1:1", "http://localhost:3000"]}

    tenant: Any = Tenant()
    await let_shop_sign(tenant, origin="http://127.0.0.1:2", secret=SECRET)
    assert saved == [
        {
            "keys": [
                {"id": "shop-page", "algorithm": "HS256", "secret": SECRET},
                {"id": "mine", "algorithm": "ES256", "public_key": "PEM"},
            ],
            "origins": ["http://127.0.0.1:2", "http://localhost:3000"],
        }
    ]
