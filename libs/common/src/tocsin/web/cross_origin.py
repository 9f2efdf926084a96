"""Which pages of other origins a browser lets call us (CORS): those that the tenant of the caller has named.

A browser asks first, without a token (`OPTIONS`): then any origin that some tenant has named may go on. The answer itself is shown
only to the origins of the caller's own tenant; a refusal, which has no tenant, to any of them.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tocsin.web.recipient_gate import holder_in

MayCall = Callable[[str, str | None], Awaitable[bool]]
"""An origin, and a tenant or None for any → whether the tenant has named it."""

_METHODS: Final = b"DELETE, GET, PATCH, POST, PUT"
_REQUEST_FIELDS: Final = b"authorization, content-type, if-match, last-event-id"
_SHOWN_FIELDS: Final = "etag, retry-after, x-request-id"
_ASK_AGAIN_AFTER: Final = b"600"
"""Seconds: an origin that was taken away is refused that much later at the latest. Answers are not shown to it from at once."""


def let_other_origins_call(app: FastAPI, *, prefixes: tuple[str, ...], may_call: MayCall) -> None:
    """For an application made by `service_app`: inside of what counts requests, around all else."""
    app.user_middleware.insert(1, Middleware(CrossOrigin, prefixes=prefixes, may_call=may_call))


class CrossOrigin:
    """Middleware for the paths below `prefixes`. Requests of no browser have no `Origin` and pass as they are."""

    def __init__(self, app: ASGIApp, *, prefixes: tuple[str, ...], may_call: MayCall) -> None:
        self._app = app
        self._prefixes = prefixes
        self._may_call = may_call

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(self._prefixes):
            await self._app(scope, receive, send)
            return
        fields = dict(scope["headers"])
        origin: bytes | None = fields.get(b"origin")
        if origin is None:
            await self._app(scope, receive, send)
        elif scope["method"] == "OPTIONS" and b"access-control-request-method" in fields:
            await self._answer_question(origin, send)
        else:
            scope.setdefault("state", {})  # shared with copies of the scope, so that the caller is seen here
            await self._app(scope, receive, self._shown(scope, origin.decode("latin-1"), send))

    async def _answer_question(self, origin: bytes, send: Send) -> None:
        fields = [(b"vary", b"origin"), (b"content-length", b"0")]
        if await self._may_call(origin.decode("latin-1"), None):
            fields += [
                (b"access-control-allow-origin", origin),
                (b"access-control-allow-methods", _METHODS),
                (b"access-control-allow-headers", _REQUEST_FIELDS),
                (b"access-control-max-age", _ASK_AGAIN_AFTER),
            ]
        await send({"type": "http.response.start", "status": 204, "headers": fields})
        await send({"type": "http.response.body", "body": b""})

    def _shown(self, scope: Scope, origin: str, send: Send) -> Send:
        async def send_with_origin(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=list(message["headers"]))
                headers.add_vary_header("origin")
                holder = holder_in(scope)
                if await self._may_call(origin, None if holder is None else holder.tenant):
                    headers["access-control-allow-origin"] = origin
                    headers["access-control-expose-headers"] = _SHOWN_FIELDS
                message = {**message, "headers": headers.raw}
            await send(message)

        return send_with_origin
