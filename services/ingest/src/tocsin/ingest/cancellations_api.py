"""`DELETE /v1/notifications/{id}` and `POST /v1/cancellations`: take back what was sent, by its id or by its key."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Request, Response
from pydantic import Field
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from tocsin.contracts.events import CancellationRequest
from tocsin.contracts.values import ValueRefused
from tocsin.contracts.values.cancel_key import LONGEST, cancel_key
from tocsin.contracts.values.cancellation import cancellation
from tocsin.contracts.vocabulary import Reason
from tocsin.ingest.openapi import idempotency_key
from tocsin.ingest.parsing import cancellation_event
from tocsin.ingest.responses import AcceptedBody, accepted_response
from tocsin.ingest.service import IngestService
from tocsin.ingest.validation import accepted_cancellation
from tocsin.web import Caller, Problem, RequestBody, Sender, codes, judged

_OPENAPI: Final[dict[str, Any]] = {
    "parameters": [
        idempotency_key(
            "Makes repeating safe: it becomes the id of the cancellation, and the same id again reaches nothing that was sent in between"
        )
    ]
}


_BY_ITS_ID: Final = (
    "Unknown field. To cancel one notification, ask `DELETE /v1/notifications/<notification_id>`."
)


class CancellationBody(RequestBody):
    """Cancel what was sent under this key before."""

    key: Annotated[
        str,
        judged(cancel_key),
        Field(
            json_schema_extra={"minLength": 1, "maxLength": LONGEST},
            description="The `cancel_key` of requests, or the `cancelkey` of events",
            examples=["order-A-1042"],
        ),
    ]

    @classmethod
    def _explained(cls, fault: ErrorDetails) -> InitErrorDetails:
        if fault["type"] == "extra_forbidden" and fault["loc"][-1] == "notification_id":
            hint = PydanticCustomError(Reason.FIELD_UNKNOWN.value, _BY_ITS_ID)
            return InitErrorDetails(type=hint, loc=fault["loc"], input=None)
        return super()._explained(fault)


def cancellation_routes(service: IngestService) -> APIRouter:
    """The routes. A test key reaches tests alone."""
    router = APIRouter(tags=["Sending"])

    async def take(request: Request, asked: CancellationRequest, caller: Caller) -> Response:
        service.rates.request(caller)
        accepted = accepted_cancellation(
            cancellation_event(request, asked, caller=caller, clock=service.clock)
        )
        await service.publisher.publish([accepted])
        return accepted_response(accepted)

    @router.delete(
        "/v1/notifications/{notification_id}",
        status_code=202,
        response_model=AcceptedBody,
        summary="Cancel a notification that is not sent yet",
        openapi_extra=_OPENAPI,
    )
    async def cancel_notification(notification_id: str, request: Request, caller: Sender) -> Response:
        try:
            asked = cancellation(CancellationRequest(notification_id=notification_id))
        except ValueRefused as refused:
            raise Problem(codes.NOT_FOUND, "No notification can have this id: ids are UUIDs.") from refused
        return await take(request, asked, caller)

    @router.post(
        "/v1/cancellations",
        status_code=202,
        response_model=AcceptedBody,
        summary="Cancel what was sent under a key before, and is not handed over yet",
        openapi_extra=_OPENAPI,
    )
    async def cancel_key_of_events(body: CancellationBody, request: Request, caller: Sender) -> Response:
        return await take(request, CancellationRequest(key=body.key), caller)

    return router
