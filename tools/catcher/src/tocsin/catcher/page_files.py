"""Serves the page, with headers that keep everything on it at home."""

from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .browser_policy import PAGE_POLICY

_PAGE = Path(__file__).parent / "page"
_HEADERS = {
    b"content-security-policy": PAGE_POLICY.encode(),
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cache-control": b"no-cache",
}


def add_page(app: FastAPI) -> None:
    """The page at `/`, its files under `/page`, and safe headers on every answer of the application."""

    @app.get("/")
    async def page() -> FileResponse:
        return FileResponse(_PAGE / "index.html", media_type="text/html")

    app.mount("/page", StaticFiles(directory=_PAGE))
    app.add_middleware(SafeHeaders)


class SafeHeaders:
    """Adds the headers to every answer that has none of that name."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                added = [(name, value) for name, value in _HEADERS.items() if name not in present]
                message["headers"] = [*message["headers"], *added]
            await send(message)

        await self._app(scope, receive, with_headers)
