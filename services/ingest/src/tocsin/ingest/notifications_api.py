"""`POST /v1/notifications`: the direct request as plain JSON."""

from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request, Response

from tocsin.contracts.events import NOTIFICATION_REQUESTED, Event
from tocsin.contracts.ids import INGEST_SOURCE
from tocsin.contracts.limits import IDEMPOTENCY_KEY_CHARS
from tocsin.ingest.answers import AcceptedBody, json_body
from tocsin.ingest.event_ids import given_id, made_up_id
from tocsin.ingest.intake import Intake, count_refusals
from tocsin.ingest.trace import traceparent_for
from tocsin.web import Caller, Problem

_OPENAPI: Final[dict[str, Any]] = {
    "security": [{"apiKey": ["send"]}],
    "requestBody": {"required": True, "content": json_body("NotificationBody")},
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "description": "Makes repeating safe: it becomes the event's id, and the same id again sends nothing",
            "schema": {"type": "string", "minLength": 1, "maxLength": IDEMPOTENCY_KEY_CHARS},
        }
    ],
}


def notification_routes(intake: Intake) -> APIRouter:
    """The route."""
    router = APIRouter(tags=["sending"])

    @router.post(
        "/v1/notifications",
        status_code=202,
        response_model=AcceptedBody,
        summary="Send a workflow's message to recipients",
        openapi_extra=_OPENAPI,
    )
    async def send_notification(request: Request) -> Response:
        try:
            caller = intake.caller(request.headers)
            event = _event(intake, caller, request, await request.body())
            return await intake.take(intake.admission.admit_request(event))
        except Problem as problem:
            count_refusals([problem])
            raise

    return router


def _event(intake: Intake, caller: Caller, request: Request, body: bytes) -> Event:
    key = _idempotency_key(request)
    return Event(
        tenant=caller.tenant,
        source=INGEST_SOURCE,
        id=made_up_id(intake.clock) if key is None else given_id(key),
        type=NOTIFICATION_REQUESTED,
        data=msgspec.Raw(body),
        test=caller.test,
        traceparent=traceparent_for(None),
    )


def _idempotency_key(request: Request) -> bytes | None:
    """The header's own bytes: Starlette reads headers as Latin-1, keys are UTF-8."""
    for name, value in request.scope["headers"]:
        if name == b"idempotency-key":
            return bytes(value)
    return None
