"""`POST /v1/events`: CloudEvents 1.0 in structured, binary and batch mode."""

import asyncio
from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request, Response

from tocsin.contracts.cloudevents import (
    BATCH,
    STRUCTURED,
    EventInvalid,
    read_http_binary,
    read_structured,
)
from tocsin.contracts.events import Event
from tocsin.contracts.vocabulary import Reason
from tocsin.ingest.admission import Admitted, NamedNotification
from tocsin.ingest.answers import AcceptedBody, BatchBody, json_body
from tocsin.ingest.intake import Intake, answer, count_refusals
from tocsin.ingest.trace import traceparent_for
from tocsin.web import Caller, Fault, Problem, codes

_MODES: Final = (
    f"Send one event as {STRUCTURED}, a batch as {BATCH}, or JSON data with the attributes in `ce-` headers."
)
_SLICE: Final = 50
"""Events of a batch judged before others get a turn: well under 5 ms."""

_decode_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_OPENAPI: Final[dict[str, Any]] = {
    "security": [{"apiKey": ["send"]}],
    "requestBody": {
        "required": True,
        "description": f"A CloudEvent. {_MODES}",
        "content": {
            **json_body("CloudEventBody", STRUCTURED),
            **json_body({"type": "array", "items": {"$ref": "#/components/schemas/CloudEventBody"}}, BATCH),
            **json_body({"description": "The event's data, in binary mode"}),
        },
    },
}


class BatchItem(msgspec.Struct, omit_defaults=True):
    """One event's answer."""

    status: int
    event_id: str | None = None
    notifications: list[NamedNotification] | None = None
    problem: dict[str, Any] | None = None


def event_routes(intake: Intake) -> APIRouter:
    """The route."""
    router = APIRouter(tags=["sending"])

    @router.post(
        "/v1/events",
        status_code=202,
        response_model=AcceptedBody | BatchBody,
        responses={207: {"model": BatchBody, "description": "Some events of the batch were taken"}},
        summary="Take one CloudEvent or a batch",
        openapi_extra=_OPENAPI,
    )
    async def take_events(request: Request) -> Response:
        try:
            caller = intake.caller(request.headers)
            body = await request.body()
            media_type = request.headers.get("content-type", "").split(";", 1)[0].strip().lower()
            if media_type == BATCH:
                return await _take_batch(intake, caller, body)
            return await intake.take(intake.admission.admit_event(_read(request, media_type, body, caller)))
        except EventInvalid as invalid:
            problem = _invalid(invalid)
            count_refusals([problem])
            raise problem from invalid
        except Problem as problem:
            count_refusals([problem])
            raise

    return router


def _read(request: Request, media_type: str, body: bytes, caller: Caller) -> Event:
    if media_type == STRUCTURED:
        return _owned(read_structured(body, default_tenant=caller.tenant), caller)
    if media_type.startswith("application/cloudevents") or not any(
        name.startswith("ce-") for name in request.headers
    ):
        raise Problem(codes.UNSUPPORTED_MEDIA_TYPE, _MODES)
    event = read_http_binary(request.headers, body, default_tenant=caller.tenant)
    if "ce-traceparent" not in request.headers:
        event.traceparent = None  # it is the request's, whose span the event continues
    return _owned(event, caller)


def _owned(event: Event, caller: Caller) -> Event:
    """The event under the caller's tenant."""
    if event.tenant != caller.tenant:
        detail = "The tenant comes from the API key; leave `tenant` out, or name the key's own."
        fault = Fault(pointer="/tenant", code="tenant_differs", detail=detail)
        raise Problem(codes.INVALID_EVENT, detail, errors=[fault])
    event.test = event.test or caller.test
    event.traceparent = traceparent_for(event.traceparent)
    return event


async def _take_batch(intake: Intake, caller: Caller, body: bytes) -> Response:
    judged: list[tuple[BatchItem, Admitted | Problem]] = []
    for place, raw in enumerate(_items(intake, body), start=1):
        judged.append(_judge(intake, caller, bytes(raw)))
        if place % _SLICE == 0:
            await asyncio.sleep(0)
    taken = [one for _, one in judged if isinstance(one, Admitted)]
    await intake.store.store(taken)
    refused = [one for _, one in judged if isinstance(one, Problem)]
    items = [item for item, _ in judged]
    if refused and not taken:
        detail = "No event of the batch was taken; each one's reason stands in items."
        raise Problem(codes.BATCH_REFUSED, detail, extensions={"items": items})
    count_refusals(refused)
    return answer(207 if refused else 202, {"items": items})


def _items(intake: Intake, body: bytes) -> list[msgspec.Raw]:
    try:
        items = _decode_items(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Problem(codes.INVALID_JSON, f"The batch is no JSON array of events: {error}.") from error
    if len(items) > intake.limits.batch_events:
        raise Problem(
            codes.TOO_MANY_ITEMS, f"At most {intake.limits.batch_events} events are taken in one batch."
        )
    return items


def _judge(intake: Intake, caller: Caller, raw: bytes) -> tuple[BatchItem, Admitted | Problem]:
    event: Event | None = None
    try:
        event = _owned(read_structured(raw, default_tenant=caller.tenant), caller)
        admitted = intake.admission.admit_event(event)
    except (EventInvalid, Problem) as error:
        problem = _invalid(error) if isinstance(error, EventInvalid) else error
        item = BatchItem(problem.code.status, event.id if event else _id_of(raw), problem=problem.body())
        return item, problem
    return BatchItem(202, admitted.event.id, admitted.notifications), admitted


def _id_of(raw: bytes) -> str | None:
    """The id of an event that was refused, where it can be read, so that the caller knows which one it was."""
    try:
        return msgspec.json.decode(raw, type=_HasId).id
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


class _HasId(msgspec.Struct):
    id: str | None = None


def _invalid(invalid: EventInvalid) -> Problem:
    faults = [Fault(pointer=one.pointer, code=one.reason.value, detail=one.detail) for one in invalid.faults]
    too_large = all(one.reason is Reason.DATA_TOO_LARGE for one in invalid.faults)
    code = codes.DATA_TOO_LARGE if too_large else codes.INVALID_EVENT
    number = f"{len(faults)} faults; see errors" if len(faults) > 1 else faults[0].detail.rstrip(".")
    return Problem(code, f"The event cannot be taken: {number}.", errors=faults)
