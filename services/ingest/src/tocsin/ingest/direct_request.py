"""A direct request for notifications: read fast when it is right, explained in full when it is not."""

from dataclasses import dataclass
from typing import Any, Final

import msgspec
from pydantic import TypeAdapter, ValidationError

from tocsin.contracts.codec import decode_request
from tocsin.contracts.events import NotificationRequest
from tocsin.ingest.directory import Directory
from tocsin.ingest.intake_limits import IntakeLimits
from tocsin.ingest.published_workflow import MOST_FAULTS, PublishedWorkflow
from tocsin.ingest.recipient_rules import is_sound
from tocsin.ingest.request_model import BY_ID, INLINE, NotificationBody
from tocsin.web import Fault, Problem, ProblemCode, codes, json_pointer

_decode_json = msgspec.json.decode
_body = TypeAdapter(NotificationBody)
_TAGS: Final = frozenset({BY_ID, INLINE})


@dataclass(frozen=True, slots=True)
class DirectRequest:
    """A request that obeys every rule, and the workflow it names."""

    request: NotificationRequest
    workflow: PublishedWorkflow


def read_direct_request(
    raw: bytes, *, tenant: str, directory: Directory, limits: IntakeLimits, prefix: str = ""
) -> DirectRequest:
    """The request in `raw`. Raises the problem that lists every fault, pointers beginning with `prefix`."""
    try:
        request = decode_request(raw)
        data = _decode_json(request.data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise explain(raw, tenant=tenant, directory=directory, limits=limits, prefix=prefix) from None
    workflow = directory.workflow(tenant, request.workflow)
    if workflow is None or not _sound(request, data, limits) or not workflow.accepts(data):
        raise explain(raw, tenant=tenant, directory=directory, limits=limits, prefix=prefix)
    return DirectRequest(request, workflow)


def _sound(request: NotificationRequest, data: object, limits: IntakeLimits) -> bool:
    expires_at, actor = request.expires_at, request.actor
    return (
        type(data) is dict
        and 1 <= len(request.recipients) <= limits.recipients
        and all(map(is_sound, request.recipients))
        and (actor is None or is_sound(actor))
        and (expires_at is None or expires_at.tzinfo is not None)
    )


def explain(
    raw: bytes, *, tenant: str, directory: Directory, limits: IntakeLimits, prefix: str = ""
) -> Problem:
    """Why `raw` cannot be taken: every fault there is, under the code that fits them all."""
    try:
        loose = _decode_json(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        fault = Fault(pointer=prefix, code="json_invalid", detail=f"Not JSON: {error}.")
        return _problem([fault], codes.INVALID_EVENT if prefix else codes.INVALID_JSON)
    known = loose if isinstance(loose, dict) else {}
    shape = _shape_faults(raw, prefix)
    too_many = _too_many(known, limits, prefix)
    unknown, data = _workflow_faults(known, tenant, directory, prefix)
    faults = [*shape, *too_many, *unknown, *data]
    if not faults:
        faults = [Fault(pointer=prefix, code="invalid", detail="A field has a form this API does not take.")]
    code = _code(shape=shape, too_many=too_many, unknown=unknown, data=data)
    return _problem(faults, code or (codes.INVALID_EVENT if prefix else codes.INVALID_REQUEST))


def _shape_faults(raw: bytes, prefix: str) -> list[Fault]:
    try:
        _body.validate_json(raw)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        return [
            Fault(
                pointer=prefix + json_pointer(_path(one["loc"])),
                code="invalid" if one["type"] == "value_error" else one["type"],
                detail=one["msg"].removeprefix("Value error, "),
            )
            for one in found[:MOST_FAULTS]
        ]
    return []


def _path(loc: tuple[str | int, ...]) -> list[str | int]:
    """Where the fault is, without the names pydantic puts in for the forms a recipient can have."""
    return [
        part
        for place, part in enumerate(loc)
        if not (part in _TAGS and place in (1, 2) and loc[0] in ("recipients", "actor"))
    ]


def _too_many(known: dict[str, Any], limits: IntakeLimits, prefix: str) -> list[Fault]:
    recipients = known.get("recipients")
    if not isinstance(recipients, list) or len(recipients) <= limits.recipients:
        return []
    detail = f"At most {limits.recipients} recipients are taken in one request."
    return [Fault(pointer=f"{prefix}/recipients", code="too_long", detail=detail)]


def _workflow_faults(
    known: dict[str, Any], tenant: str, directory: Directory, prefix: str
) -> tuple[list[Fault], list[Fault]]:
    """What is wrong with the workflow's key, and what with the data it wants."""
    key, data = known.get("workflow"), known.get("data", {})
    if not isinstance(key, str) or not key:
        return [], []
    workflow = directory.workflow(tenant, key)
    if workflow is None:
        detail = "No published workflow has this key."
        return [Fault(pointer=f"{prefix}/workflow", code="workflow_unknown", detail=detail)], []
    if not isinstance(data, dict):
        return [], []
    return [], workflow.faults(data, prefix=f"{prefix}/data")


def _code(
    *, shape: list[Fault], too_many: list[Fault], unknown: list[Fault], data: list[Fault]
) -> ProblemCode | None:
    """The code of requests with one kind of fault; None where the general one fits."""
    match bool(shape), bool(too_many), bool(unknown), bool(data):
        case False, True, False, False:
            return codes.TOO_MANY_ITEMS
        case False, False, True, False:
            return codes.UNKNOWN_WORKFLOW
        case False, False, False, True:
            return codes.INVALID_DATA
        case _:
            return None


def _problem(faults: list[Fault], code: ProblemCode) -> Problem:
    if len(faults) == 1:
        return Problem(code, faults[0].detail, errors=faults)
    return Problem(code, f"The request has {len(faults)} faults; see errors.", errors=faults)
