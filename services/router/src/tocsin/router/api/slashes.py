"""Recipient ids may hold a slash. `%2F` in a path is part of a name, not a separator: routes must not see it as one."""

from urllib.parse import unquote

from starlette.types import ASGIApp, Receive, Scope, Send

STAND_IN = "\x1f"
"""What a route sees in place of `%2F`: a control character, which no name may hold."""


class EncodedSlashes:
    """Middleware: the path as routes match it, with encoded slashes kept apart from real ones."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw = scope.get("raw_path") if scope["type"] == "http" else None
        if raw and b"%2f" in raw.lower():
            path = raw.decode("ascii").replace("%2F", "%1F").replace("%2f", "%1F")
            scope = {**scope, "path": unquote(path)}
        await self._app(scope, receive, send)


def with_slashes(value: str) -> str:
    """A path parameter as its sender meant it."""
    return value.replace(STAND_IN, "/")
