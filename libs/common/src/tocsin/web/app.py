"""The FastAPI application every service begins with."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute
from fastapi.telemetry import TelemetryConfig
from starlette.types import ASGIApp, Receive, Scope, Send

from tocsin.contracts.limits import HTTP_BODY_BYTES, JSON_DEPTH
from tocsin.observability import metrics
from tocsin.runtime import BODIES_BYTES, Health
from tocsin.web.auth import Gate, KeyTable
from tocsin.web.bodies_in_flight import BodiesInFlight
from tocsin.web.failed_authentications import FailedAuthentications
from tocsin.web.head import HeadAsGet
from tocsin.web.invalid_requests import answer_invalid_requests
from tocsin.web.limits import BodyLimits
from tocsin.web.newer_copy import BringUpToNow, nothing_newer
from tocsin.web.openapi import describe_with_problems
from tocsin.web.parameters import check_request
from tocsin.web.plain_posts import PlainPosts, TakePost
from tocsin.web.problem import answer_with_problems
from tocsin.web.request_context import RequestContext
from tocsin.web.sources import Network, Sources

_OURS: Final[TelemetryConfig] = {"tracing": False, "metrics": False, "logs": False}
"""Spans, metrics and logs of requests are `RequestContext`'s. FastAPI's own would repeat them, and look for providers at each request."""


class ServiceApp(FastAPI):
    """Our middlewares stand first: `RequestContext` answers what fails unexpectedly, and `BodyLimits` says what is too large.

    What FastAPI puts around it for the same purposes (errors of the server, telemetry, sizes of bodies) is left out: it would cost each
    request some 15 µs.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """FastAPI's and Starlette's in one step, which is 3 µs less."""
        scope["app"] = self
        if self.middleware_stack is None:
            self.middleware_stack = self.build_middleware_stack()
        await self.middleware_stack(scope, receive, send)

    def build_middleware_stack(self) -> ASGIApp:
        """FastAPI's, from the first of ours on."""
        stack: Any = super().build_middleware_stack()
        first: Any = self.user_middleware[0].cls
        while not isinstance(stack, first):
            stack = stack.app
        return cast("ASGIApp", stack)


def service_app(
    *,
    name: str,
    health: Health,
    summary: str = "",
    version: str = "1",
    keys: KeyTable | None = None,
    bring_up_to_now: BringUpToNow = nothing_newer,
    trusted_proxies: Sequence[Network] = (),
    public: Mapping[str, int] | None = None,
    max_bodies_bytes: int = BODIES_BYTES,
    max_body_bytes: int = HTTP_BODY_BYTES,
    max_json_depth: int = JSON_DEPTH,
    posts: Mapping[str, TakePost] | None = None,
) -> FastAPI:
    """An application with request ids, limits, problems, and an honest OpenAPI document.

    Give it routers with `include_router`. `keys` is what `require(access)` looks callers up in; routes that ask for a key need it,
    and `bring_up_to_now` before they refuse a key that nobody has told of. `trusted_proxies` say where a request comes from.
    `public` are beginnings of paths where a body is read without a key, each with the largest body there. `posts` are paths whose plain
    POSTs (`PlainPosts`) are answered so; their routes answer all others.
    """
    app = ServiceApp(
        title=f"Tocsin {name}",
        summary=summary or None,
        version=version,
        docs_url=None,  # the page would load its scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
        telemetry=_OURS,
        dependencies=[Depends(check_request)],
    )
    gate = app.state.gate = Gate(
        keys=keys if keys is not None else KeyTable(),
        failures=FailedAuthentications(service=name),
        sources=Sources(trusted_proxies),
        bring_up_to_now=bring_up_to_now,
    )
    bodies = BodiesInFlight(most=max_bodies_bytes)
    metrics.http_bodies_bytes.labels(name).set_function(lambda: bodies.total)
    metrics.http_bodies_bytes_limit.labels(name).set(max_bodies_bytes)
    app.add_middleware(
        BodyLimits,
        gate=gate,
        bodies=bodies,
        public=public or {},
        max_bytes=max_body_bytes,
        max_depth=max_json_depth,
    )
    app.add_middleware(HeadAsGet)
    if posts:
        app.add_middleware(
            PlainPosts,
            posts=posts,
            gate=gate,
            bodies=bodies,
            max_bytes=max_body_bytes,
            max_depth=max_json_depth,
        )
    app.add_middleware(RequestContext, service=name, health=health)
    answer_with_problems(app)
    answer_invalid_requests(app)
    describe_with_problems(app)
    return app


def _operation_id(route: APIRoute) -> str:
    """The handler's name: it is what generated clients call the operation, so it is unique and never changes."""
    return route.name
