"""Requests to every route of a service's OpenAPI document, with one text in each place that takes a text."""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import quote_from_bytes

from fastapi import FastAPI

PATH_TEXTS = (b"\x00", b"a\x1fb", b"\xed\xa0\x80", b"\xff", "\U0001f600".encode(), b"..", b"a" * 300)
"""Bytes as they stand in a path or a query, percent-encoded."""
BODY_TEXTS = ("\\u0000", "\\ud800", "a\\udfff", "\\ud83d\\ude00", "\\u2028")
"""JSON's escapes, as they stand in a string."""
_MARK = "MARK-OF-THE-TEXT"


class Call(NamedTuple):
    """One request."""

    method: str
    url: str
    body: bytes | None = None


def calls(app: FastAPI) -> Iterator[Call]:
    """Each route with each text in each parameter, and in each string of its JSON body."""
    document = app.openapi()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield from _parameter_calls(method.upper(), path, operation)
            content = operation.get("requestBody", {}).get("content", {})
            for media_type, described in content.items():
                if media_type == "application/json":
                    yield from _body_calls(method.upper(), path, described.get("schema", {}), document)


def _parameter_calls(method: str, path: str, operation: dict[str, Any]) -> Iterator[Call]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    for name in names:
        for text in PATH_TEXTS:
            others = dict.fromkeys(names, "a") | {name: quote_from_bytes(text, safe="")}
            yield Call(method, path.format(**others))
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "query":
            for text in PATH_TEXTS:
                query = f"{parameter['name']}={quote_from_bytes(text, safe='')}"
                yield Call(method, f"{path.format(**dict.fromkeys(names, 'a'))}?{query}")


def _body_calls(method: str, path: str, schema: dict[str, Any], document: dict[str, Any]) -> Iterator[Call]:
    names = dict.fromkeys([part[1:-1] for part in path.split("/") if part.startswith("{")], "a")
    for sample in _samples(schema, document, depth=0):
        template = json.dumps(sample)
        if _MARK in template:
            for text in BODY_TEXTS:
                yield Call(method, path.format(**names), template.replace(_MARK, text).encode())


def _samples(schema: dict[str, Any], document: dict[str, Any], *, depth: int) -> list[Any]:
    """Values that fit the schema, each with the mark in another place."""
    if depth > 12:
        return ["a"]
    deeper = partial(_samples, document=document, depth=depth + 1)
    if "$ref" in schema:
        return deeper(document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]])
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        return [sample for option in options for sample in deeper(option)]
    if schema.get("type") == "object" and "properties" in schema:
        return _objects({name: deeper(inner) for name, inner in schema["properties"].items()})
    if schema.get("type") == "array":
        return [[item] for item in deeper(schema.get("items", {}))]
    first = [schema["enum"][0]] if "enum" in schema else []
    simple = {"string": [*first, _MARK], "integer": [1], "number": [1], "boolean": [True], "null": [None]}
    return simple.get(schema.get("type", ""), [{_MARK: 1}, {"a": _MARK}, {"a": [{"b": _MARK}]}])


def _objects(samples: dict[str, list[Any]]) -> list[Any]:
    """Objects with a sample of each property, and all samples of one."""
    plain = {
        name: next((value for value in values if _MARK not in str(value)), "a")
        for name, values in samples.items()
    }
    return [plain | {name: value} for name, values in samples.items() for value in values]
