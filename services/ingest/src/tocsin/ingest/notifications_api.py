"""`POST /v1/notifications`: the direct request as plain JSON."""

from functools import partial
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from tocsin.ingest.openapi import idempotency_key, json_body
from tocsin.ingest.parsing import parse_notification
from tocsin.ingest.responses import AcceptedBody, accepted_response
from tocsin.ingest.second_look import SecondLook
from tocsin.ingest.service import IngestService
from tocsin.ingest.validation import validate_request

_OPENAPI: Final[dict[str, Any]] = {
    "security": [{"apiKey": ["send"]}],
    "requestBody": {"required": True, "content": json_body("NotificationBody")},
    "parameters": [
        idempotency_key(
            "Makes repeating safe: it becomes the event's id, and the same id again sends nothing"
        )
    ],
}


def notification_routes(service: IngestService) -> APIRouter:
    """The route."""
    router = APIRouter(tags=["Sending"])

    @router.post(
        "/v1/notifications",
        status_code=202,
        response_model=AcceptedBody,
        summary="Send a workflow's message to recipients",
        openapi_extra=_OPENAPI,
    )
    async def send_notification(request: Request) -> Response:
        caller = await service.authorize(request)
        event = parse_notification(request, await request.body(), caller=caller, clock=service.clock)
        validate = partial(
            validate_request, event, directory=service.directory, limits=service.limits, clock=service.clock
        )
        accepted = await SecondLook(service)(validate)
        service.admit_events(caller, [accepted])
        await service.publisher.publish([accepted])
        return accepted_response(accepted)

    return router
