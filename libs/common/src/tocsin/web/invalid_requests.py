"""What FastAPI finds wrong with a request, as a problem: 422 with every fault and its pointer."""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError

from tocsin.web import codes
from tocsin.web.plain_words import in_plain_words
from tocsin.web.problem import Fault, Problem, json_pointer


def answer_invalid_requests(app: FastAPI) -> None:
    """Register the handler."""
    app.add_exception_handler(RequestValidationError, _validation)


async def _validation(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - Starlette's handler type is wider than what it passes
    errors = error.errors()
    if any(fault["type"] == "json_invalid" for fault in errors):
        return Problem(
            codes.INVALID_JSON, "The body cannot be read as JSON.", errors=_json_fault(errors)
        ).response()
    faults = [
        Fault(
            pointer=pointer_of(fault["loc"]),
            code=fault["type"],
            detail=in_plain_words(fault),
        )
        for fault in errors
    ]
    number = f"{len(faults)} faults" if len(faults) > 1 else "one fault"
    return Problem(codes.INVALID_REQUEST, f"The request has {number}; see errors.", errors=faults).response()


def pointer_of(loc: Sequence[str | int]) -> str:
    """Where a pydantic fault is, as `Fault.pointer` writes it; `loc` begins with FastAPI's `body`, `query`, `path` or `header`."""
    place, *path = loc
    if place != "body":
        return f"{place}:{'.'.join(str(part) for part in path)}"
    return json_pointer(path)


def _json_fault(errors: Sequence[Any]) -> list[Fault]:
    at = next(fault["loc"][-1] for fault in errors if fault["type"] == "json_invalid")
    return [Fault(pointer="", code="json_invalid", detail=f"Not JSON at byte {at}")]
