"""The entry port: each path to its owner, bytes as they are."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from tocsin.dev.entry import Entry, owner
from tocsin.dev.processes import free_port


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/notifications", "ingest"),
        ("/v1/events", "ingest"),
        ("/v1/timelines/0190", "ledger"),
        ("/v1/timelines", "ledger"),
        ("/v1/recipients/anna/preferences", "router"),
        ("/v1/notifications-of-mine", "router"),
        ("/u/token", "router"),
        ("/callbacks/twilio", "dispatch-sms"),
        ("/metrics", None),
        ("/upload", None),
    ],
)
def test_owner(path: str, name: str | None) -> None:
    assert owner(path) == name


async def _answer(request: web.Request) -> web.Response:
    return web.json_response(
        {"path": request.raw_path, "body": await request.text(), "key": request.headers.get("Authorization")},
        status=207,
        headers={"ETag": '"7"', "X-Forwarded-Seen": request.headers.get("X-Forwarded-For", "")},
    )


@pytest.fixture
async def entry_url() -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", _answer)
    runner = web.AppRunner(app)
    await runner.setup()
    port, service = free_port(), free_port()
    await web.TCPSite(runner, "127.0.0.1", service).start()
    entry = Entry(
        port=port,
        services={"router": f"http://127.0.0.1:{service}", "ledger": f"http://127.0.0.1:{free_port()}"},
    )
    await entry.open()
    yield f"http://127.0.0.1:{port}"
    await entry.close()
    await runner.cleanup()


async def test_a_request_and_its_answer_pass_through(entry_url: str) -> None:
    async with (
        aiohttp.ClientSession() as client,
        client.put(
            f"{entry_url}/v1/recipients/a%2Fb?x=%20", data="body", headers={"Authorization": "Bearer k"}
        ) as answer,
    ):
        assert answer.status == 207
        assert answer.headers["ETag"] == '"7"'
        assert answer.headers["X-Forwarded-Seen"] == "127.0.0.1"
        assert await answer.json() == {
            "path": "/v1/recipients/a%2Fb?x=%20",
            "body": "body",
            "key": "Bearer k",
        }


async def test_what_nobody_owns_and_who_does_not_answer(entry_url: str) -> None:
    async with aiohttp.ClientSession() as client:
        async with client.get(f"{entry_url}/nowhere") as answer:
            assert (answer.status, answer.content_type) == (404, "application/problem+json")
        async with client.get(f"{entry_url}/v1/timelines/x") as answer:
            assert answer.status == 502
            assert (await answer.json(content_type=None))["detail"].startswith("ledger does not answer")
