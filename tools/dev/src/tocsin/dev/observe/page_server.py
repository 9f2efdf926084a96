"""The page with the dashboards: its files, what Prometheus answers it, and what is known of one message."""

import json
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from uuid import UUID

import aiohttp
from aiohttp import web

from tocsin.dev.loopback_page import only_this_machine, safe_headers
from tocsin.dev.npm_packages import installed
from tocsin.specifications.dashboards import DASHBOARDS
from tocsin.specifications.dashboards.panels import COLOURS, USUAL

_HERE = Path(__file__).parent
_QUESTIONS = "query|query_range|query_exemplars|alerts|label/[a-z_]+/values"
_MOST_LINES = 100


def uplot() -> Path:
    """The folder of uPlot's files, fetched once. Raises MissingTool or StartFailed."""
    return installed(_HERE / "uplot") / "node_modules" / "uplot" / "dist"


class PageServer:
    """Answers on loopback, and only to who names loopback: it knows an API key, which never leaves it.

    `prometheus` and `entry` are addresses, `logs` the folder of the stack's logs, `every` the seconds between two scrapes, `links` what the page's foot
    leads to.
    """

    def __init__(
        self,
        *,
        prometheus: str,
        entry: str,
        api_key: str,
        logs: Path,
        every: int,
        links: Mapping[str, str],
    ) -> None:
        self._prometheus = prometheus
        self._entry = entry
        self._authorization = {"Authorization": f"Bearer {api_key}"}
        self._logs = logs
        self._description = {
            "dashboards": [asdict(dashboard) for dashboard in DASHBOARDS],
            "lanes": COLOURS,
            "usual": USUAL,
            "every": every,
            "links": dict(links),
        }
        self._client: aiohttp.ClientSession | None = None
        self._runner: web.AppRunner | None = None

    async def open(self, port: int, *, drawn_by: Path) -> None:
        """Listens; `drawn_by` is `uplot()`."""
        app = web.Application(middlewares=[only_this_machine])
        app.on_response_prepare.append(safe_headers())
        app.router.add_get("/", self._page)
        app.router.add_static("/page", _HERE / "page")
        app.router.add_static("/uplot", drawn_by)
        app.router.add_get("/dashboards.json", self._dashboards)
        app.router.add_get(f"/prometheus/api/v1/{{question:{_QUESTIONS}}}", self._ask_prometheus)
        app.router.add_get("/timelines/{id}", self._timeline)
        app.router.add_get("/lines/{id}", self._lines)
        self._client = aiohttp.ClientSession()
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()

    async def close(self) -> None:
        """Ends; may be called before it was opened."""
        if self._runner is not None:
            await self._runner.cleanup()
        if self._client is not None:
            await self._client.close()

    async def _page(self, _: web.Request) -> web.FileResponse:
        return web.FileResponse(_HERE / "page" / "index.html")

    async def _dashboards(self, _: web.Request) -> web.Response:
        return web.json_response(self._description)

    async def _ask_prometheus(self, request: web.Request) -> web.Response:
        url = f"{self._prometheus}/api/v1/{request.match_info['question']}"
        return await self._passed_on(url, request.query.items())

    async def _timeline(self, request: web.Request) -> web.Response:
        return await self._passed_on(f"{self._entry}/v1/timelines/{_id(request)}", (), self._authorization)

    async def _lines(self, request: web.Request) -> web.Response:
        """The last lines of the stack's logs that name the message."""
        wanted = str(_id(request))
        naming: deque[str] = deque(maxlen=_MOST_LINES)
        for log in sorted(self._logs.glob("*.log")):
            with log.open(errors="replace") as lines:
                naming.extend(f"{log.stem}: {line.rstrip()}" for line in lines if wanted in line)
        return web.json_response(list(naming))

    async def _passed_on(
        self, url: str, query: Iterable[tuple[str, str]], headers: Mapping[str, str] | None = None
    ) -> web.Response:
        assert self._client is not None  # noqa: S101 -- it answers only while it is open
        try:
            async with self._client.get(url, params=list(query), headers=headers) as answer:
                body = await answer.read()
                return web.Response(status=answer.status, body=body, content_type="application/json")
        except aiohttp.ClientError:
            unreachable = {
                "status": "error",
                "error": "it does not answer",
                "detail": "The stack does not answer.",
            }
            return web.Response(status=502, text=json.dumps(unreachable), content_type="application/json")


def _id(request: web.Request) -> UUID:
    try:
        return UUID(request.match_info["id"])
    except ValueError:
        said = {"detail": "This is no notification id: it has 32 hexadecimal digits."}
        raise web.HTTPBadRequest(text=json.dumps(said), content_type="application/json") from None
