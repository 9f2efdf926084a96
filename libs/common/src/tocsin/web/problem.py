"""Errors as RFC 9457 problems, everywhere: ours, the framework's 404 and 405, and the unexpected 500."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from pydantic import BaseModel, Field
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from tocsin.web import codes
from tocsin.web.codes import ProblemCode
from tocsin.web.request_id import current_request_id

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault of a request. `pointer` is a JSON pointer into the body (`/recipients/0/id`, empty for the whole body),
    or `query:limit`, `path:id`, `header:If-Match` for a parameter. `detail` never repeats the value.
    """

    pointer: str
    code: str
    detail: str


class Problem(Exception):
    """Raise it anywhere under a route and the caller gets it: `raise Problem(codes.NOT_FOUND, "No recipient has this id.")`.

    `extensions` are further members of the body, such as `event_id`; `headers` go on the response.
    """

    def __init__(
        self,
        code: ProblemCode,
        detail: str,
        *,
        errors: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
        extensions: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(code.name)
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.extensions = dict(extensions or {})

    def body(self) -> dict[str, Any]:
        """The members of the problem document, with the id of the request being answered."""
        return {
            "type": self.code.type,
            "title": self.code.title,
            "status": self.code.status,
            "detail": self.detail,
            "code": self.code.name,
            "errors": [
                {"pointer": fault.pointer, "code": fault.code, "detail": fault.detail}
                for fault in self.errors
            ],
            "request_id": current_request_id(),
            **self.extensions,
        }

    def response(self) -> Response:
        """The whole answer."""
        return Response(
            msgspec.json.encode(self.body()),
            status_code=self.code.status,
            media_type=MEDIA_TYPE,
            headers=self.headers,
        )


class ProblemError(BaseModel):
    """One fault of the request."""

    pointer: str = Field(
        description="JSON pointer into the body, empty for all of it; or `query:…`, `path:…`, `header:…` and the parameter's name",
        examples=["/recipients/0/id"],
    )
    code: str = Field(description="What is wrong, for machines", examples=["missing"])
    detail: str = Field(description="What is wrong, for people", examples=["This field is required"])


class ProblemDetails(BaseModel):
    """An RFC 9457 problem document; problems of some codes have further members, named on the code's page."""

    type: str = Field(
        description="The page that explains this problem",
        examples=[codes.NOT_FOUND.type],
        json_schema_extra={"format": "uri"},
    )
    title: str = Field(description="The kind of problem, for people", examples=[codes.NOT_FOUND.title])
    status: int = Field(description="The HTTP status", examples=[404])
    detail: str = Field(description="What happened this time", examples=["No recipient has this id."])
    code: str = Field(
        description="The kind of problem, for machines; never changes", examples=[codes.NOT_FOUND.name]
    )
    errors: list[ProblemError] = Field(
        default=[], description="Each fault of the request, where it has several"
    )
    request_id: str | None = Field(default=None, description="The id under which our logs know this request")


def answer_with_problems(app: Starlette) -> None:
    """Register the handlers. The unexpected is answered by `RequestContext`, which also logs it; what FastAPI finds in a request,
    by `invalid_requests`."""
    app.add_exception_handler(Problem, _ours)
    app.add_exception_handler(HTTPException, _http)


async def _ours(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 - Starlette's handler type is wider than what it passes
    return error.response()


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - Starlette's handler type is wider than what it passes
    fallback = codes.INTERNAL_ERROR if error.status_code >= 500 else codes.BAD_REQUEST
    code = codes.BY_STATUS.get(error.status_code, fallback)
    detail = _OWN_WORDS.get(code.name) or str(error.detail)
    headers = dict(error.headers or {})
    if code is codes.METHOD_NOT_ALLOWED:
        headers["Allow"] = _allowed(request)
    return Problem(code, detail, headers=headers).response()


def _allowed(request: Request) -> str:
    """Every method of the path: it may have several routes, of which the router names one."""
    methods = [
        method
        for method in _METHODS
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in request.app.routes
        )
    ]
    if "GET" in methods:
        methods.append("HEAD")
    return ", ".join(sorted(methods))


def json_pointer(path: Sequence[str | int]) -> str:
    """RFC 6901: `("recipients", 0, "a/b")` is `/recipients/0/a~1b`."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


_METHODS = ("DELETE", "GET", "OPTIONS", "PATCH", "POST", "PUT")
_OWN_WORDS = {
    "not_found": "No route answers this path.",
    "method_not_allowed": "The route exists; see the Allow header for the methods it takes.",
}
