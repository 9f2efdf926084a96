"""`POST /v1/events`: CloudEvents 1.0 in structured, binary and batch mode."""

from typing import Any, Final

from fastapi import APIRouter, Request, Response
from starlette.datastructures import Headers

from tocsin.contracts.cloudevents import BATCH, STRUCTURED
from tocsin.ingest.openapi import attribute_headers, json_body
from tocsin.ingest.parsing import (
    MODES,
    media_type_of,
    parse_event,
    parse_structured,
    readable_id,
    split_batch,
)
from tocsin.ingest.posts import answer, counted
from tocsin.ingest.responses import (
    AcceptedBody,
    BatchBody,
    BatchItemAnswer,
    accepted_answer,
    batch_answer,
)
from tocsin.ingest.second_look import SecondLook
from tocsin.ingest.service import IngestService
from tocsin.ingest.validation import AcceptedEvent, validate_event
from tocsin.observability import metrics
from tocsin.runtime import LoopSlice
from tocsin.web import Answered, Caller, Posted, Problem, TakePost, codes

PATH: Final = "/v1/events"
_OPENAPI: Final[dict[str, Any]] = {
    "security": [{"apiKey": ["send"]}],
    "parameters": attribute_headers(),
    "requestBody": {
        "required": True,
        "description": f"A CloudEvent. {MODES}",
        "content": {
            **json_body("CloudEventBody", STRUCTURED),
            **json_body({"type": "array", "items": {"$ref": "#/components/schemas/CloudEventBody"}}, BATCH),
            **json_body({"description": "The event's data, in binary mode"}),
        },
    },
}


def take_events(service: IngestService) -> TakePost:
    """What becomes of a request."""

    async def take(posted: Posted) -> Answered:
        service.let_in(posted.caller)
        headers = Headers(raw=posted.headers)
        if media_type_of(headers) == BATCH:
            return await _take_batch(service, posted.caller, posted.body)
        event = parse_event(headers, posted.body, caller=posted.caller)
        accepted = await SecondLook(service)(validate_event, event)
        service.admit_events(posted.caller, [accepted])
        await service.publisher.publish([accepted])
        return accepted_answer(accepted)

    return counted(take)


def event_routes(service: IngestService, take: TakePost) -> APIRouter:
    """The route."""
    router = APIRouter(tags=["Sending"])

    @router.post(
        PATH,
        status_code=202,
        response_model=AcceptedBody | BatchBody,
        responses={207: {"model": BatchBody, "description": "Some events of the batch were taken"}},
        summary="Take one CloudEvent or a batch",
        openapi_extra=_OPENAPI,
    )
    async def send_events(request: Request) -> Response:
        return await answer(request, take, service)

    return router


async def _take_batch(service: IngestService, caller: Caller, body: bytes) -> Answered:
    """What can be taken of the batch is stored, in one go; the rest is refused, each event for its own reason."""
    accepted: list[AcceptedEvent] = []
    refused: list[Problem] = []
    items: list[BatchItemAnswer] = []
    second_look = SecondLook(service)
    loop_slice = LoopSlice()
    for envelope in split_batch(body, most=service.limits.batch_events):
        try:
            event = parse_structured(envelope, caller=caller)
            validated = await second_look(validate_event, event)
        except Problem as problem:
            refused.append(problem)
            items.append(BatchItemAnswer(problem.code.status, readable_id(envelope), problem=problem.body()))
        else:
            accepted.append(validated)
            items.append(BatchItemAnswer(202, event.id, validated.notifications))
        if loop_slice.due:
            await loop_slice.let_go()
    if accepted:
        service.admit_events(caller, accepted)
    await service.publisher.publish(accepted)
    if refused and not accepted:
        detail = "No event of the batch was taken; each one's reason stands in items."
        raise Problem(codes.BATCH_REFUSED, detail, extensions={"items": items})
    for refusal in refused:
        metrics.ingest_refused.labels(refusal.code.name).inc()
    return batch_answer(207 if refused else 202, items)
