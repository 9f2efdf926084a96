"""A server of files that does as it is told: it answers, drips, lies, redirects, goes away."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class FileServer:
    """`files` by path; a path that stands in `handlers` is answered by that. `asked` counts requests by path."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.handlers: dict[str, Handler] = {}
        self.asked: Counter[str] = Counter()
        self.dripping = 0
        self.port = 0
        self.end = asyncio.Event()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @classmethod
    @asynccontextmanager
    async def listening(cls) -> AsyncIterator["FileServer"]:
        server = cls()
        app = web.Application()
        app.router.add_get("/{path:.*}", server._answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        server.port = runner.addresses[0][1]
        yield server
        server.end.set()
        await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked[request.path] += 1
        if (handler := self.handlers.get(request.path)) is not None:
            return await handler(request)
        if (content := self.files.get(request.path)) is not None:
            return web.Response(body=content)
        return web.Response(status=404)

    async def drip(self, request: web.Request) -> web.StreamResponse:
        """Begin an answer, and never end it."""
        response = web.StreamResponse(headers={"Content-Length": "1000000"})
        await response.prepare(request)
        await response.write(b"%PDF")
        self.dripping += 1
        await self.end.wait()
        return response

    async def endless(self, request: web.Request) -> web.StreamResponse:
        """Go on for as long as somebody reads."""
        response = web.StreamResponse()
        await response.prepare(request)
        while not self.end.is_set():
            await response.write(b"x" * 65_536)
        return response

    async def cut(self, request: web.Request) -> web.StreamResponse:
        """Promise more than comes, and hang up."""
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"%PDF")
        if request.transport is not None:
            request.transport.close()
        return response

    async def redirect(self, request: web.Request) -> web.StreamResponse:
        """Lead elsewhere."""
        raise web.HTTPFound("http://169.254.169.254/latest/meta-data/")

    async def busy(self, request: web.Request) -> web.StreamResponse:
        """Ask for patience."""
        return web.Response(status=503, headers={"Retry-After": "7"})
