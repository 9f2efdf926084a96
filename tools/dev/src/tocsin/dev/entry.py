"""The one entry port of the local stack: a small reverse proxy that sends each path to the service that owns it."""

from collections.abc import Mapping

import aiohttp
from aiohttp import web

OWNERS: tuple[tuple[str, str], ...] = (
    ("/v1/notifications", "ingest"),
    ("/v1/events", "ingest"),
    ("/v1/cancellations", "ingest"),
    ("/v1/timelines", "ledger"),
    ("/v1/dead-letters", "ledger"),
    ("/v1/redrives", "ledger"),
    ("/callbacks/smtp", "dispatch-email"),
    ("/callbacks/twilio", "dispatch-sms"),
    ("/callbacks/fcm", "dispatch-push"),
    ("/v1", "router"),
    ("/u", "router"),
)
"""Path prefix -> service; the first that fits decides. The Gateway's manifest has the same, without `/callbacks`.

No service answers yet under `/callbacks`, `/v1/cancellations`, `/v1/dead-letters` and `/v1/redrives`.
"""

_HOP_BY_HOP = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)


def owner(path: str) -> str | None:
    """Name of the service that owns `path`; None when nobody does."""
    return next((name for prefix, name in OWNERS if path == prefix or path.startswith(f"{prefix}/")), None)


class Entry:
    """Serves 127.0.0.1:`port` and passes each request on to the owner's address in `services` (name -> base URL)."""

    def __init__(self, *, port: int, services: Mapping[str, str]) -> None:
        self._port = port
        self._services = services
        self._client: aiohttp.ClientSession | None = None
        self._runner: web.AppRunner | None = None

    async def open(self) -> None:
        """Listens; raises OSError when the port is taken."""
        # Bytes pass through as they are: neither side's compression nor redirects are ours to undo.
        self._client = aiohttp.ClientSession(auto_decompress=False)
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._pass_on)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()

    async def close(self) -> None:
        """Stops listening."""
        if self._runner is not None:
            await self._runner.cleanup()
        if self._client is not None:
            await self._client.close()

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        name = owner(request.path)
        if name is None or name not in self._services:
            return _problem(404, "not_found", "No service owns this path.")
        assert self._client is not None  # noqa: S101 -- requests come only after open()
        headers = [(key, value) for key, value in request.headers.items() if key.lower() not in _HOP_BY_HOP]
        headers.append(("X-Forwarded-For", request.remote or ""))
        try:
            async with self._client.request(
                request.method,
                self._services[name] + request.raw_path,
                headers=headers,
                data=await request.read() if request.can_read_body else None,
                allow_redirects=False,
            ) as answer:
                return web.Response(
                    status=answer.status,
                    body=await answer.read(),
                    headers=[
                        (key, value)
                        for key, value in answer.headers.items()
                        if key.lower() not in _HOP_BY_HOP | {"content-length"}
                    ],
                )
        except aiohttp.ClientConnectionError:
            return _problem(502, "bad_gateway", f"{name} does not answer; it may be starting.")


def _problem(status: int, code: str, detail: str) -> web.Response:
    body = {"type": "about:blank", "title": code, "status": status, "code": code, "detail": detail}
    return web.json_response(body, status=status, content_type="application/problem+json")
