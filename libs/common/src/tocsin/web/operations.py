"""What every service answers to those who operate it, on a port of its own: whether it lives, whether it is ready, its numbers.

The port of the API answers none of it, so that callers see neither what a service waits for nor what other tenants do. Three routes need
no FastAPI, which is a fifth of what a dispatcher, which has no API, would load at its start.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from prometheus_client import REGISTRY
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match, Route
from starlette.types import Scope

from tocsin.runtime import Health
from tocsin.web.head import HeadAsGet
from tocsin.web.problem import answer_with_problems
from tocsin.web.request_context import RequestContext


class NamedRoute(Route):
    """A route that metrics and traces can name a request by, as FastAPI's are."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child_scope = super().matches(scope)
        return match, {**child_scope, "route": self} if match is not Match.NONE else child_scope


def operations_app(
    *, name: str, health: Health, pages: Mapping[str, Callable[[], object]] | None = None
) -> Starlette:
    """`/livez`, `/readyz` and `/metrics`. They answer whatever the state of the service, whoever asks, with any parameters.

    So do `pages`: each path answers with what its function returns, as JSON.
    """

    async def livez(_request: Request) -> Response:
        """200 while the event loop turns; an answer at all is most of the proof."""
        now = health.liveness()
        body = {
            "alive": now.alive,
            "loop_late_seconds": round(now.late, 4),
            "since_seconds": round(now.since, 4),
        }
        return JSONResponse(body, status_code=200 if now.alive else 503)

    async def readyz(_request: Request) -> Response:
        """200 only when every check is ready; each is listed with its reason. One that is ready may have something to say, too."""
        notes = health.notes()
        checks = [
            {"name": check, "ready": reason is None, "reason": reason or notes.get(check)}
            for check, reason in health.reasons().items()
        ]
        body: dict[str, Any] = {"ready": health.is_ready, "checks": checks}
        return JSONResponse(body, status_code=200 if health.is_ready else 503)

    async def prometheus(request: Request) -> Response:
        """The classic text; to who asks for it, OpenMetrics, which Prometheus reads exemplars from."""
        write, media_type = choose_encoder(request.headers.get("accept", ""))
        # In a thread: writing thousands of series takes longer than messages may wait.
        text = await asyncio.to_thread(write, REGISTRY)
        return Response(text, headers={"content-type": media_type, "vary": "accept"})

    def page(content: Callable[[], object]) -> Callable[[Request], Awaitable[Response]]:
        async def answer(_request: Request) -> Response:
            return JSONResponse(content())

        return answer

    answers: dict[str, Callable[[Request], Awaitable[Response]]]
    answers = {"/livez": livez, "/readyz": readyz, "/metrics": prometheus}
    answers |= {path: page(content) for path, content in (pages or {}).items()}
    app = Starlette(routes=[NamedRoute(path, answer, methods=["GET"]) for path, answer in answers.items()])
    app.router.redirect_slashes = False
    app.add_middleware(HeadAsGet)
    app.add_middleware(RequestContext, service=name, traced=False)
    answer_with_problems(app)
    return app
