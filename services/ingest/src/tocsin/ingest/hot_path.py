"""The routes that carry the load, without FastAPI's routing and dependencies: a third of a request's time.

FastAPI still owns them: it describes them in OpenAPI, and answers whatever does not match exactly.
"""

from collections.abc import Iterable
from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from tocsin.observability import metrics
from tocsin.web import Problem


def add_hot_routes(app: FastAPI, routers: Iterable[APIRouter]) -> None:
    """Include the routers, and let their POSTs pass FastAPI by. Their endpoints take a Request and return a Response."""
    routes: dict[str, APIRoute] = {}
    for router in routers:
        app.include_router(router)
        routes |= {route.path: route for route in router.routes if isinstance(route, APIRoute)}
    # At the end of the list, so that limits and request ids are around it.
    app.user_middleware.append(Middleware(HotPath, routes=routes))


class HotPath:
    """A POST to exactly one of `routes`, without parameters, goes straight to its endpoint; everything else goes on.

    Refusals are counted by code.
    """

    def __init__(self, app: ASGIApp, *, routes: dict[str, APIRoute]) -> None:
        self._app: Final = app
        self._routes: Final = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route: Any = self._routes.get(scope["path"]) if scope["type"] == "http" else None
        if route is None or scope["method"] != "POST" or scope["query_string"]:
            await self._app(scope, receive, send)
            return
        scope["route"] = route  # metrics and traces name the request by it
        try:
            response: Response = await route.endpoint(Request(scope, receive))
        except Problem as problem:
            metrics.ingest_refused.labels(problem.code.name).inc()
            response = problem.response()
        await response(scope, receive, send)
