"""Around every request: its id, its trace, its metrics, and an answer when the unexpected happens. Pure ASGI, for speed."""

from collections.abc import Callable
from time import perf_counter
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tocsin.observability import OpenSpan, admitted, bound, get_logger, metrics, span
from tocsin.observability.tracing import NO_SPAN
from tocsin.runtime import REFUSED, Health
from tocsin.web import codes
from tocsin.web.problem import Problem
from tocsin.web.refusals import refusal
from tocsin.web.request_id import begin_request, end_request

log = get_logger(__name__)

_UNMATCHED = "unmatched"
_METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}


class RequestContext:
    """The outermost middleware of a service."""

    def __init__(
        self, app: ASGIApp, *, service: str, health: Health | None = None, traced: bool = True
    ) -> None:
        """`health`: while it is halted, nothing is answered but why. Probes go without it: they answer whatever happens. They are not
        `traced` either: three quarters of all spans would be theirs."""
        self._app = app
        self._traced = traced
        self._health = health
        self._service = service
        self._in_flight = metrics.http_in_flight.labels(service)
        self._seconds: dict[tuple[str, str], Any] = {}
        self._requests: dict[tuple[str, str, int], Any] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = traceparent = None
        for name, value in scope["headers"]:
            if name == b"x-request-id":
                given = value.decode("latin-1")
            elif name == b"traceparent":
                traceparent = value.decode("latin-1")
        request_id, token = begin_request(given)
        began = perf_counter()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        self._in_flight.inc()
        try:
            with (
                bound(request_id=request_id),
                span("HTTP", admitted(traceparent), "server") if self._traced else NO_SPAN as request_span,
            ):
                await self._answer(scope, receive, send_with_id, started=lambda: status > 0)
                if request_span.opened is not None:
                    _describe(request_span.opened, scope, status)
        finally:
            end_request(token)
            self._in_flight.dec()
            self._count(scope, status, perf_counter() - began)

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, *, started: Callable[[], bool]
    ) -> None:
        if (refused := scope.get(REFUSED)) is not None:
            await refusal(refused).response()(scope, receive, send)
            return
        if self._health is not None and self._health.halted is not None:
            await Problem(codes.NOT_READY, self._health.halted).response()(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        except Exception:
            log.exception("request failed", route=_route(scope))
            if started():
                raise  # only the broken connection can tell the caller now
            problem = Problem(codes.INTERNAL_ERROR, "It was logged under the request id; repeating may help.")
            await problem.response()(scope, receive, send)

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        route = _route(scope)
        method = _method(scope) or "other"
        requests = self._requests.get((method, route, status))
        if requests is None:
            requests = metrics.http_requests.labels(self._service, method, route, str(status))
            self._requests[method, route, status] = requests
        requests.inc()
        duration = self._seconds.get((method, route))
        if duration is None:
            duration = self._seconds[method, route] = metrics.http_seconds.labels(
                self._service, method, route
            )
        duration.observe(seconds)


def _describe(request: OpenSpan, scope: Scope, status: int) -> None:
    """What OpenTelemetry's conventions for HTTP say of a request. The path is left out, as `_route` says."""
    method, route = _method(scope), _route(scope)
    request.set("http.request.method", method or "_OTHER")
    request.set("url.scheme", scope["scheme"])
    if route != _UNMATCHED:
        request.set("http.route", route)
        request.rename(f"{method or 'HTTP'} {route}")
    elif method is not None:
        request.rename(method)
    if status:  # else the caller was gone before there was an answer
        request.set("http.response.status_code", status)
    if status >= 500:
        request.fail(str(status))


def _method(scope: Scope) -> str | None:
    """One that is known: callers may send any word."""
    method: str = scope["method"]
    return method if method in _METHODS else None


def _route(scope: Scope) -> str:
    """The route's template, never the path: a path may hold a recipient's id or a token."""
    return getattr(scope.get("route"), "path", None) or _UNMATCHED
