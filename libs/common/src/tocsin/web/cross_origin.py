"""Which pages of other origins a browser lets call us (CORS): those that the tenant of the caller has named.

A browser asks first, without a token (`OPTIONS`): then any origin that some tenant has named may go on. The answer itself is shown
only to the origins of the caller's own tenant; a refusal, which has no tenant, to any of them.
"""

from typing import Any, Final, cast

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tocsin.observability import get_logger
from tocsin.web import codes
from tocsin.web.problem import Problem
from tocsin.web.recipient_gate import RecipientGate, tenant_in
from tocsin.web.request_context import RequestContext

log = get_logger(__name__)

_METHODS: Final = b"DELETE, GET, PATCH, POST, PUT"
_REQUEST_FIELDS: Final = b"authorization, content-type, if-match, last-event-id"
_SHOWN_FIELDS: Final = "etag, retry-after, x-request-id"
_ASK_AGAIN_AFTER: Final = b"600"
"""Seconds: an origin that was taken away is refused that much later at the latest. Answers are not shown to it from at once."""
_LOG_SECONDS: Final = 60.0


def let_other_origins_call(app: FastAPI, *, prefixes: tuple[str, ...], gate: RecipientGate) -> None:
    """For an application made by `service_app`: right inside of `RequestContext`, which counts every answer and gives it its id, and
    around all else."""
    outside = next(
        at for at, made in enumerate(app.user_middleware) if cast("Any", made.cls) is RequestContext
    )
    app.user_middleware.insert(outside + 1, Middleware(CrossOrigin, prefixes=prefixes, gate=gate))


class CrossOrigin:
    """Middleware for the paths below `prefixes`. Requests of no browser have no `Origin` and pass as they are.

    Where origins cannot be looked up, a browser's question is answered 503, and an answer goes out without being shown to pages.
    """

    def __init__(self, app: ASGIApp, *, prefixes: tuple[str, ...], gate: RecipientGate) -> None:
        self._app = app
        self._prefixes = prefixes
        self._gate = gate
        self._logged_at: float | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(self._prefixes):
            await self._app(scope, receive, send)
            return
        fields = dict(scope["headers"])
        origin: bytes | None = fields.get(b"origin")
        if origin is None:
            await self._app(scope, receive, send)
        elif scope["method"] == "OPTIONS" and b"access-control-request-method" in fields:
            await self._answer_question(origin, scope, receive, send)
        else:
            scope.setdefault("state", {})  # shared with copies of the scope, so that the caller is seen here
            await self._app(scope, receive, self._shown(scope, origin.decode("latin-1"), send))

    async def _answer_question(self, origin: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        lets = await self._lets_call(origin.decode("latin-1"), scope)
        if lets is None:
            detail = "The origins of pages cannot be looked up at present."
            problem = Problem(codes.NOT_READY, detail, headers={"retry-after": "5", "vary": "origin"})
            await problem.response()(scope, receive, send)
            return
        fields = [(b"vary", b"origin"), (b"content-length", b"0")]
        if lets:
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
                if await self._lets_call(origin, scope):
                    headers["access-control-allow-origin"] = origin
                    headers["access-control-expose-headers"] = _SHOWN_FIELDS
                message = {**message, "headers": headers.raw}
            await send(message)

        return send_with_origin

    async def _lets_call(self, origin: str, scope: Scope) -> bool | None:
        """Whether the origin is one of the caller's tenant, or of any while there is no caller; None where that cannot be looked up."""
        try:
            return await self._gate.lets_call(origin, tenant_in(scope), scope)
        except Exception:
            now = self._gate.clock.monotonic()
            if self._logged_at is None or now >= self._logged_at + _LOG_SECONDS:
                self._logged_at = now
                log.exception("origins cannot be looked up")
            return None
