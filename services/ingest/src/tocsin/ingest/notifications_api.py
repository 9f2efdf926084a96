"""`POST /v1/notifications`: the direct request as plain JSON."""

from typing import Any, Final

from fastapi import APIRouter, Request, Response

from tocsin.ingest.openapi import idempotency_key, json_body
from tocsin.ingest.parsing import parse_notification
from tocsin.ingest.posts import answer, counted
from tocsin.ingest.responses import AcceptedBody, accepted_answer
from tocsin.ingest.second_look import SecondLook
from tocsin.ingest.service import IngestService
from tocsin.ingest.validation import validate_request
from tocsin.web import Answered, Posted, TakePost

PATH: Final = "/v1/notifications"

_OPENAPI: Final[dict[str, Any]] = {
    "security": [{"apiKey": ["send"]}],
    "requestBody": {"required": True, "content": json_body("NotificationBody")},
    "parameters": [
        idempotency_key(
            "Makes repeating safe: it becomes the event's id, and the same id again sends nothing"
        )
    ],
}


def take_notifications(service: IngestService) -> TakePost:
    """What becomes of a request."""

    async def take(posted: Posted) -> Answered:
        service.let_in(posted.caller)
        event = parse_notification(posted, clock=service.clock)
        accepted = await SecondLook(service)(validate_request, event)
        service.admit_events(posted.caller, [accepted])
        await service.publisher.publish([accepted])
        return accepted_answer(accepted)

    return counted(take)


def notification_routes(service: IngestService, take: TakePost) -> APIRouter:
    """The route."""
    router = APIRouter(tags=["Sending"])

    @router.post(
        PATH,
        status_code=202,
        response_model=AcceptedBody,
        summary="Send a workflow's message to recipients",
        openapi_extra=_OPENAPI,
    )
    async def send_notification(request: Request) -> Response:
        return await answer(request, take, service)

    return router
