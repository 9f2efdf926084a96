"""The page of dashboards answers only what it is for, and only to this machine."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from aiohttp import web

from tocsin.dev.observe.page_server import PageServer
from tocsin.dev.processes import free_port

KEY = "tk_live_page_secret"
NOTIFICATION = UUID(int=7)


@pytest.fixture
async def behind() -> AsyncIterator[str]:
    """Somebody who says what was asked, in place of Prometheus and of the stack's entry."""

    async def echo(request: web.Request) -> web.Response:
        return web.json_response({"asked": request.path_qs, "key": request.headers.get("authorization")})

    app = web.Application()
    app.router.add_get("/{path:.*}", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield f"http://127.0.0.1:{port}"
    await runner.cleanup()


@pytest.fixture
async def page(behind: str, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    (tmp_path / "router.log").write_text(f"one line\nanother of {NOTIFICATION} <b>\n")
    server = PageServer(
        prometheus=behind, entry=behind, api_key=KEY, logs=tmp_path, every=5, links={"Prometheus": behind}
    )
    port = free_port()
    await server.open(port, drawn_by=tmp_path)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        yield client
    await server.close()


async def test_questions_go_to_prometheus_as_they_are(page: httpx.AsyncClient) -> None:
    answer = await page.get("/prometheus/api/v1/query", params={"query": 'up{job=~"(.*/)?tocsin"} + 1'})
    assert answer.json()["asked"].startswith("/api/v1/query?query=up")
    assert answer.json()["key"] is None


@pytest.mark.parametrize("path", ["admin/tsdb/snapshot", "targets", "label/lane/values/x"])
async def test_other_questions_go_nowhere(page: httpx.AsyncClient, path: str) -> None:
    assert (await page.get(f"/prometheus/api/v1/{path}")).status_code == 404


async def test_a_timeline_is_asked_for_with_the_key_which_no_file_of_the_page_has(
    page: httpx.AsyncClient,
) -> None:
    answer = (await page.get(f"/timelines/{NOTIFICATION}")).json()
    assert answer == {"asked": f"/v1/timelines/{NOTIFICATION}", "key": f"Bearer {KEY}"}
    assert KEY not in (await page.get("/dashboards.json")).text
    assert (await page.get("/timelines/no-id")).status_code == 400


async def test_lines_that_name_the_message_are_found(page: httpx.AsyncClient) -> None:
    assert (await page.get(f"/lines/{NOTIFICATION}")).json() == [f"router: another of {NOTIFICATION} <b>"]


async def test_a_name_that_leads_here_is_refused(page: httpx.AsyncClient) -> None:
    answer = await page.get("/dashboards.json", headers={"host": "evil.example"})
    assert answer.status_code == 403


async def test_nothing_of_elsewhere_runs_on_it(page: httpx.AsyncClient) -> None:
    policy = (await page.get("/")).headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; ")


async def test_who_does_not_answer_is_told_of(tmp_path: Path) -> None:
    nobody = "http://127.0.0.1:1"
    server = PageServer(prometheus=nobody, entry=nobody, api_key=KEY, logs=tmp_path, every=5, links={})
    port = free_port()
    await server.open(port, drawn_by=tmp_path)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        answer = await client.get("/prometheus/api/v1/query", params={"query": "up"})
        assert (answer.status_code, answer.json()["status"]) == (502, "error")
    await server.close()
