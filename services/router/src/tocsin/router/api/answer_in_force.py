"""An answer says whether its change is in force: 200, 201 and 204 when it is, else 202 with `in_force: false`."""

from typing import Any, Final

import msgspec
from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tocsin.router.in_force import Change, ChangesInForce

_DESCRIPTION: Final = (
    "Saved, and not in force yet: events sent now may still be decided without it. It comes into force without a repeat, "
    "unless it is too large to be published: then make it smaller and save it again"
)
_NOT_IN_FORCE: Final[dict[str, Any]] = {
    "title": "NotInForce",
    "description": "A change that is saved and not published yet.",
    "type": "object",
    "required": ["in_force"],
    "properties": {"in_force": {"type": "boolean", "enum": [False], "title": "In Force"}},
}
_WITHOUT_CHANGE: Final = frozenset(
    {"save_recipients", "preview_message", "import_suppressions", "find_suppressions"}
)
"""Operations whose answer never waits: imports, and those that change nothing."""


class AnswerInForce:
    """Holds the answer of a request that has changed something until the change is in force.

    The handler and its transaction have ended by then: whoever waits here holds no connection of the pool. A page for people
    is sent as it is either way.
    """

    def __init__(self, app: ASGIApp, *, changes: ChangesInForce) -> None:
        self._app: Final = app
        self._changes: Final = changes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        held: list[Message] = []

        async def send_in_force(message: Message) -> None:
            change: Change | None = state.pop("change", None)  # as `transaction` left it
            if change is not None and not await self._changes.wait(change) and _can_say_so(message):
                held.append(message)
            elif held:
                held.append(message)
                if not message.get("more_body", False):
                    for rewritten in _not_in_force(held):
                        await send(rewritten)
            else:
                await send(message)

        await self._app(scope, receive, send_in_force)


def _can_say_so(start: Message) -> bool:
    headers = MutableHeaders(raw=start["headers"])
    return start["status"] == 204 or headers.get("content-type") == "application/json"


def _not_in_force(held: list[Message]) -> tuple[Message, Message]:
    """The answer as 202, its body as it is and `in_force: false` beside it."""
    start, *parts = held
    body = b"".join(part.get("body", b"") for part in parts)
    content = {**(msgspec.json.decode(body) if body else {}), "in_force": False}
    encoded = msgspec.json.encode(content)
    headers = MutableHeaders(raw=list(start["headers"]))
    headers["content-type"] = "application/json"
    headers["content-length"] = str(len(encoded))
    return (
        {**start, "status": 202, "headers": headers.raw},
        {"type": "http.response.body", "body": encoded},
    )


def describe_in_force(app: FastAPI) -> None:
    """Let the OpenAPI document show 202 beside 200, 201 and 204 of every operation that changes something."""
    described = app.openapi

    def openapi() -> dict[str, Any]:
        document = described()
        document["components"]["schemas"]["NotInForce"] = _NOT_IN_FORCE
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                if (
                    method != "get"
                    and path.startswith("/v1/")
                    and operation["operationId"] not in _WITHOUT_CHANGE
                ):
                    operation["responses"]["202"] = _accepted(operation["responses"])
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to change the document


def _accepted(responses: dict[str, Any]) -> dict[str, Any]:
    """The answer of a change, with `NotInForce` beside what it holds otherwise."""
    schema: dict[str, Any] = {"$ref": "#/components/schemas/NotInForce"}
    content = (responses.get("200") or responses.get("201") or {}).get("content")
    if content is not None:
        schema = {"allOf": [content["application/json"]["schema"], schema]}
    return {"description": _DESCRIPTION, "content": {"application/json": {"schema": schema}}}
