"""What every service answers to those who operate it, on a port of its own: whether it lives, whether it is ready, its numbers.

The port of the API answers none of it, so that callers see neither what a service waits for nor what other tenants do.
"""

import asyncio

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from tocsin.runtime import Health
from tocsin.web.head import HeadAsGet
from tocsin.web.problem import answer_with_problems
from tocsin.web.request_context import RequestContext


def operations_app(*, name: str, health: Health) -> FastAPI:
    """`/livez`, `/readyz` and `/metrics`. They answer whatever the state of the service, whoever asks, with any parameters."""
    app = FastAPI(title=f"Tocsin {name}, operations", openapi_url=None, redirect_slashes=False)
    app.add_middleware(HeadAsGet)
    app.add_middleware(RequestContext, service=name)
    answer_with_problems(app)

    @app.get("/livez")
    async def livez() -> Response:
        """200 while the event loop turns; an answer at all is most of the proof."""
        now = health.liveness()
        body = {
            "alive": now.alive,
            "loop_late_seconds": round(now.late, 4),
            "since_seconds": round(now.since, 4),
        }
        return JSONResponse(body, status_code=200 if now.alive else 503)

    @app.get("/readyz")
    async def readyz() -> Response:
        """200 only when every check is ready; each is listed with its reason."""
        checks = [
            {"name": check, "ready": reason is None, "reason": reason}
            for check, reason in health.reasons().items()
        ]
        body = {"ready": health.is_ready, "checks": checks}
        return JSONResponse(body, status_code=200 if health.is_ready else 503)

    @app.get("/metrics")
    async def prometheus() -> Response:
        # In a thread: writing thousands of series takes longer than messages may wait.
        text = await asyncio.to_thread(generate_latest)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    return app
