"""Why a direct request cannot be taken: every fault there is. A request that can be taken does not come here."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from pydantic import TypeAdapter, ValidationError

from tocsin.contracts.events import Event, NotificationRequest
from tocsin.contracts.limits import MESSAGE_LIFE_SECONDS
from tocsin.contracts.send_times import due_of
from tocsin.contracts.values import ValueRefused
from tocsin.contracts.values.cancellation import cancel_key_of
from tocsin.contracts.values.identifier import ADDRESS_RULE, is_address_like
from tocsin.contracts.vocabulary import Reason
from tocsin.ingest.compiled_workflow import MAX_FAULTS
from tocsin.ingest.directory import Directory
from tocsin.ingest.request_model import BY_ID, INLINE, NotificationBody
from tocsin.ingest.settings import RequestLimits
from tocsin.runtime import Clock
from tocsin.web import Fault, Problem, codes, in_plain_words, json_pointer

_body = TypeAdapter(NotificationBody)
_TAGS: Final = frozenset({BY_ID, INLINE})


class RefusedByDirectory(Problem):
    """A refusal that rests on nothing but the directory: something that was published meanwhile may turn it into acceptance."""


class _WithData(msgspec.Struct):
    """A request, as far as the bytes of its data tell."""

    data: msgspec.Raw = msgspec.Raw(b"{}")


def code_of_data(faults: Sequence[Fault]) -> codes.ProblemCode:
    """The code of a problem whose faults are all in the data of the event."""
    reasons = {fault.code for fault in faults}
    if reasons == {Reason.DATA_TOO_COMPLEX}:
        return codes.DATA_TOO_COMPLEX
    return codes.WORKFLOW_UNUSABLE if reasons == {Reason.WORKFLOW_UNUSABLE} else codes.INVALID_DATA


def latest_expiry(clock: Clock, due: datetime | None) -> datetime:
    """When a message whose event is stored now, and that is due then (None: now), expires at the latest."""
    return (due or clock.now()) + timedelta(seconds=MESSAGE_LIFE_SECONDS)


def explain(
    event: Event, *, directory: Directory, limits: RequestLimits, clock: Clock, prefix: str
) -> Problem:
    """Every fault of the request, under the code that fits them all; pointers begin with `prefix`."""
    raw = bytes(event.data)
    try:
        request = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        fault = Fault(pointer=prefix, code="json_invalid", detail=f"Not JSON: {error}.")
        code = codes.INVALID_EVENT if prefix else codes.INVALID_JSON
        return Problem(code, fault.detail, errors=[fault])
    fields = request if isinstance(request, dict) else {}
    shape = [
        *_shape_faults(raw, prefix),
        *_key_faults(event, fields, prefix),
        *_time_faults(event, fields, clock, prefix),
    ]
    addresses = [] if directory.address_like_ids(event.tenant) else _address_faults(fields, prefix)
    too_many = _too_many(fields, limits, prefix)
    unknown, data = _workflow_faults(raw, fields, event.tenant, directory, prefix)
    faults = [*shape, *addresses, *too_many, *unknown, *data]
    problem = Problem if shape or too_many or not faults else RefusedByDirectory
    if not faults:
        faults = [Fault(pointer=prefix, code="invalid", detail="A field has a form this API does not take.")]
    match bool(shape or addresses), bool(too_many), bool(unknown), bool(data):
        case False, True, False, False:
            code = codes.TOO_MANY_ITEMS
        case False, False, True, False:
            code = codes.UNKNOWN_WORKFLOW
        case False, False, False, True:
            code = code_of_data(data)
        case _:
            code = codes.INVALID_EVENT if prefix else codes.INVALID_REQUEST
    detail = faults[0].detail if len(faults) == 1 else f"The request has {len(faults)} faults; see errors."
    return problem(code, detail, errors=faults)


def _shape_faults(raw: bytes, prefix: str) -> list[Fault]:
    try:
        _body.validate_json(raw)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        return [
            Fault(
                pointer=prefix + json_pointer(_path(fault["loc"])),
                code="invalid" if fault["type"] == "value_error" else fault["type"],
                detail=in_plain_words(fault),
            )
            for fault in faults[:MAX_FAULTS]
        ]
    return []


def _key_faults(event: Event, fields: dict[str, Any], prefix: str) -> list[Fault]:
    """That the cancellation key is written twice; what is wrong with one is a fault of its form."""
    key = fields.get("cancel_key")
    if event.cancel_key is None or not isinstance(key, str):
        return []
    try:
        cancel_key_of(event, NotificationRequest(workflow="", recipients=[], cancel_key=key))
    except ValueRefused as refused:
        return [Fault(pointer=prefix + refused.pointer, code=refused.code, detail=refused.sentence)]
    return []


def _address_faults(fields: dict[str, Any], prefix: str) -> list[Fault]:
    """Ids that are addresses, where the tenant's ids are not."""
    recipients = fields.get("recipients")
    named = (
        {f"/recipients/{index}": ref for index, ref in enumerate(recipients)}
        if isinstance(recipients, list)
        else {}
    )
    named["/actor"] = fields.get("actor")
    faults = []
    for pointer, ref in named.items():
        given = ref.get("id") if isinstance(ref, dict) else ref
        if isinstance(given, str) and is_address_like(given):
            where = f"{prefix}{pointer}/id" if isinstance(ref, dict) else prefix + pointer
            faults.append(Fault(pointer=where, code=Reason.RECIPIENT_IS_ADDRESS, detail=ADDRESS_RULE))
    return faults[:MAX_FAULTS]


class _Times(msgspec.Struct):
    """The times of a request, as far as each has the form of one."""

    send_at: datetime | None = None
    delay: int | None = None
    expires_at: datetime | None = None


def _time_faults(event: Event, fields: dict[str, Any], clock: Clock, prefix: str) -> list[Fault]:
    """What of the times makes no sense; those that are no times are faults of their form."""
    try:
        times = msgspec.convert({name: fields.get(name) for name in _Times.__struct_fields__}, _Times)
    except msgspec.ValidationError:
        return []
    request = NotificationRequest(
        workflow="", recipients=[], send_at=times.send_at, delay=times.delay, expires_at=times.expires_at
    )
    try:
        due = due_of(event, request, event_time=clock.now(), prefix=prefix)
    except ValueRefused as refused:
        return [Fault(pointer=refused.pointer, code=refused.code, detail=refused.sentence)]
    expires_at = times.expires_at
    if expires_at is None or expires_at.tzinfo is None or expires_at <= latest_expiry(clock, due):
        return []
    days = MESSAGE_LIFE_SECONDS // 86_400
    detail = f"A message lives at most {days} days. Choose an earlier time, or send the event later."
    return [Fault(pointer=f"{prefix}/expires_at", code=Reason.LIVES_TOO_LONG, detail=detail)]


def _path(loc: tuple[str | int, ...]) -> list[str | int]:
    """Where the fault is, without the names pydantic puts in for the forms a recipient can have."""
    return [
        part
        for position, part in enumerate(loc)
        if not (part in _TAGS and position in (1, 2) and loc[0] in ("recipients", "actor"))
    ]


def _too_many(fields: dict[str, Any], limits: RequestLimits, prefix: str) -> list[Fault]:
    recipients = fields.get("recipients")
    if not isinstance(recipients, list) or len(recipients) <= limits.recipients:
        return []
    detail = f"At most {limits.recipients} recipients are taken in one request."
    return [Fault(pointer=f"{prefix}/recipients", code="too_long", detail=detail)]


def _workflow_faults(
    raw: bytes, fields: dict[str, Any], tenant: str, directory: Directory, prefix: str
) -> tuple[list[Fault], list[Fault]]:
    """What is wrong with the workflow's key, and what with the data the workflow needs."""
    key, data = fields.get("workflow"), fields.get("data", {})
    if not isinstance(key, str) or not key:
        return [], []
    workflow = directory.workflow(tenant, key)
    if workflow is None:
        detail = "No published workflow has this key."
        return [Fault(pointer=f"{prefix}/workflow", code="workflow_unknown", detail=detail)], []
    if not isinstance(data, dict):
        return [], []
    size = len(memoryview(msgspec.json.decode(raw, type=_WithData).data))
    return [], workflow.faults(data, size, prefix=f"{prefix}/data")
