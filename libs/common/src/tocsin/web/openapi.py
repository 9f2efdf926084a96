"""The OpenAPI document of a service: FastAPI's, with our problems in the place of its own errors, and what generators of
clients need: a server, and the form of every name in a path and of every id.
"""

from collections.abc import Iterator
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from tocsin.web.problem import MEDIA_TYPE, ProblemDetails

SERVERS: Final = [{"url": "/", "description": "Where this document was read"}]
_LOCALE: Final = {"pattern": "^[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*$"}
MEMBERS: Final = {
    **{name: {"format": "uuid"} for name in ("notification_id", "delivery_id", "status_id")},
    "locale": _LOCALE,
    "default_locale": _LOCALE,
    "time_zone": {"pattern": "^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$"},
}
"""Member → its form, in every body of every service: a name means one thing. Judges of ours say more, and in words of ours."""
PATH_PARAMETERS: Final = {
    "notification_id": {"format": "uuid"},
    "dead_letter_id": {"format": "uuid"},
    "redrive_id": {"format": "uuid"},
    "recipient": {"pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]{1,256}$"},
    "device": {"pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]{1,128}$"},
    "locale": _LOCALE,
    "token": {"pattern": "^[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+$"},
}
"""Path parameter → the form of what it can name. It is checked in words of ours, so that pydantic's pattern is not its rule."""
_PROBLEM = {
    "description": "A problem (RFC 9457)",
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}},
}


def describe_with_problems(app: FastAPI) -> None:
    """Make `app.openapi()` say what the service really answers: `default` is a problem for every operation."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title,
                version=app.version,
                summary=app.summary,
                routes=app.routes,
                servers=SERVERS,
            )
            app.openapi_schema = with_forms(_with_problems(document))
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to change the document


def _with_problems(document: dict[str, Any]) -> dict[str, Any]:
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    problem = ProblemDetails.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs", {}))
    schemas["ProblemDetails"] = problem
    for operations in document.get("paths", {}).values():
        for operation in operations.values():
            responses = operation["responses"]
            if "HTTPValidationError" in str(responses.get("422")):
                del responses["422"]
            responses.setdefault("default", _PROBLEM)
    return document


def with_forms(document: dict[str, Any]) -> dict[str, Any]:
    """The same document, in which each name has its form. To be called again when something was added to it."""
    for operations in document.get("paths", {}).values():
        for operation in operations.values():
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "path" and parameter["schema"].get("type") == "string":
                    parameter["schema"] |= PATH_PARAMETERS.get(parameter["name"], {})
    for schema in document["components"]["schemas"].values():
        for name, member in schema.get("properties", {}).items():
            for text in _strings(member):
                text.update(MEMBERS.get(name, {}))
    return document


def _strings(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The schema where it is of a string, else each of its alternatives that is."""
    yield from (form for form in (schema, *schema.get("anyOf", ())) if form.get("type") == "string")
