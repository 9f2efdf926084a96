"""What every route asks of a request before it is called: parameters it knows, and texts that can be held.

`service_app` gives it to all routes, so that a new one has it for free.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar
from urllib.parse import unquote_to_bytes

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from tocsin.contracts.values.nearest import did_you_mean
from tocsin.contracts.values.text import LINE_RULE, TEXT_RULE, is_text
from tocsin.web import codes
from tocsin.web.problem import Fault, Problem, json_pointer

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]").search
_NOT_UTF8: Final = "Not UTF-8. Write each character as the percent-encoding of its UTF-8 bytes"
_REPEATED: Final = "Given more than once, and only one of them would count. Write it once"
_MOST_FAULTS: Final = 100


def takes_any_parameter(endpoint: Endpoint) -> Endpoint:
    """For a page that people reach by a link: mail providers and shorteners add parameters of their own to links.

    Such a route answers whatever stands in its path with a page of its own.
    """
    endpoint.takes_any_parameter = True  # type: ignore[attr-defined]  # a note on the function
    return endpoint


def judges_texts(endpoint: Endpoint) -> Endpoint:
    """For a route that answers for each item of its body alone, and looks at the items' texts itself."""
    endpoint.judges_texts = True  # type: ignore[attr-defined]  # a note on the function
    return endpoint


async def check_request(request: Request) -> None:
    """Raises the 422 problem with every fault of path, query and JSON body that no route may be asked to handle."""
    route: APIRoute = request.scope["route"]
    if hasattr(route.endpoint, "takes_any_parameter"):
        return
    faults = [*_path_faults(request), *_query_faults(request, route)]
    if route.body_field is not None and not hasattr(route.endpoint, "judges_texts"):
        faults += await _body_faults(request)
    if faults:
        detail = (
            f"{faults[0].detail}{'' if faults[0].detail.endswith('?') else '.'}"
            if len(faults) == 1
            else f"The request has {len(faults)} faults; see errors."
        )
        raise Problem(codes.INVALID_REQUEST, detail, errors=faults[:_MOST_FAULTS])


def _path_faults(request: Request) -> Iterator[Fault]:
    raw: bytes = request.scope.get("raw_path") or b""
    if b"%" in raw:
        yield from _line_faults(unquote_to_bytes(raw), "path")


def _query_faults(request: Request, route: APIRoute) -> Iterator[Fault]:
    raw: bytes = request.scope["query_string"]
    if not raw:
        return
    known = list(dict.fromkeys(_names(route.dependant)))
    seen: set[str] = set()
    for pair in filter(None, raw.replace(b"+", b" ").split(b"&")):
        name, _, value = (unquote_to_bytes(part) for part in pair.partition(b"="))
        parameter = name.decode(errors="replace")
        if parameter in seen:
            yield Fault(pointer=f"query:{parameter}", code="parameter_repeated", detail=_REPEATED)
        elif parameter in known:
            seen.add(parameter)
            yield from _line_faults(value, f"query:{parameter}")
        else:
            detail = f"Unknown parameter. {did_you_mean(parameter, known)}".rstrip(".")
            yield Fault(pointer=f"query:{_shown(parameter)}", code="parameter_unknown", detail=detail)


def _names(dependant: Dependant) -> Iterator[str]:
    """The names of the query parameters that a route, or anything it depends on, declares."""
    yield from (field.alias for field in dependant.query_params)
    for part in dependant.dependencies:
        yield from _names(part)


def _shown(parameter: str) -> str:
    return parameter[:100] if is_text(parameter) else ""


def _line_faults(raw: bytes, pointer: str) -> Iterator[Fault]:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        yield Fault(pointer=pointer, code="text_invalid", detail=_NOT_UTF8)
        return
    if not is_text(text):
        yield Fault(pointer=pointer, code="text_invalid", detail=TEXT_RULE)
    elif _CONTROL(text):
        yield Fault(pointer=pointer, code="control_character", detail=LINE_RULE)


async def _body_faults(request: Request) -> list[Fault]:
    """Texts of a JSON body that cannot be held. FastAPI has read the body before, and refused what is no JSON."""
    raw = await request.body()
    if not raw or _cannot_hide_any(raw) or "json" not in request.headers.get("content-type", ""):
        return []
    return [
        Fault(pointer=pointer, code="text_invalid", detail=TEXT_RULE)
        for pointer in _unholdable(await request.json(), ())
    ]


def _cannot_hide_any(raw: bytes) -> bool:
    """Whether no text in it can be one that cannot be held: plain UTF-8 without escapes."""
    if b"\\u" in raw or b"\0" in raw:
        return False
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _unholdable(value: Any, path: tuple[str | int, ...]) -> Iterator[str]:
    match value:
        case str() if not is_text(value):
            yield json_pointer(path)
        case dict():
            for name, inner in value.items():
                if is_text(name):
                    yield from _unholdable(inner, (*path, name))
                else:
                    yield json_pointer(path)
        case list():
            for index, inner in enumerate(value):
                yield from _unholdable(inner, (*path, index))
        case _:
            pass
