"""What the child runs, by name: functions of JSON that yield JSON. What they refuse is part of what they yield."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import msgspec
from msgspec import structs

from tocsin.contracts.directory import TemplateRecord
from tocsin.contracts.vocabulary import Channel
from tocsin.programs import DataSchema, SchemaRefused
from tocsin.router.expressions import ExpressionTooCostly, compile_expression
from tocsin.router.templates import RenderFault, check_template, preview

Faults = list[tuple[str, str, str]]
"""Pointer, code, detail."""


def check_template_of(parts: dict[str, str], channel: str, data_schema: dict[str, Any] | None) -> Faults:
    """The faults of a template. One without any is compiled, and rendered with a sample that the schema gives."""
    faults = [
        (fault.pointer, fault.code, fault.detail)
        for fault in check_template(parts, Channel(channel), data_schema)
    ]
    if not faults:
        record = TemplateRecord(
            tenant="", workflow="", channel=Channel(channel), name="", locale="", revision=0, parts=parts
        )
        shown = preview(record, {"data": _sample(data_schema), **_SAMPLE_ROOTS})
        msgspec.json.encode(
            shown
        )  # a fault of it is none of the template's: the sample may lack what it needs
    return faults


def try_schema(data_schema: dict[str, Any]) -> tuple[list[str | int], str] | None:
    """Judge and compile a workflow's schema, and look at a sample with it. Where it is refused: the path inside it, and why."""
    try:
        schema = DataSchema(data_schema)
    except SchemaRefused as refused:
        return list(refused.path), refused.detail
    sample = _sample(data_schema)
    size = len(msgspec.json.encode(sample))
    if not schema.too_complex(sample, size):
        schema.errors(sample, size)
    return None


def try_expression(expression: str, data_schema: dict[str, Any] | None) -> None:
    """Compile a workflow's expression, and evaluate it on a sample event."""
    with suppress(ExpressionTooCostly):  # so may any be, with data of its own
        compile_expression(expression).search({**_SAMPLE_EVENT, "data": _sample(data_schema)})


def preview_of(template: dict[str, Any], context: dict[str, Any]) -> dict[str, Any]:
    """The `content` of a message; or the `part` that fails, and the `detail`."""
    match preview(msgspec.convert(template, TemplateRecord), context):
        case RenderFault(part, detail):
            return {"part": part, "detail": detail}
        case content:
            return {"content": structs.asdict(content)}


def _sample(data_schema: Mapping[str, Any] | None) -> dict[str, Any]:
    """The schema's first example of the data; else none of it."""
    examples = (data_schema or {}).get("examples")
    first = examples[0] if isinstance(examples, list) and examples else {}
    return first if isinstance(first, dict) else {}


_SAMPLE_EVENT: Final = {"subject": "sample-recipient", "source": "/sample", "type": "sample"}
_SAMPLE_ROOTS: Final = {
    "recipient": {"id": "sample-recipient", "attributes": {}},
    "tenant": {"id": "sample", "name": "Sample", "attributes": {}},
    "links": {"unsubscribe": ""},
}

PROGRAMS: Final[dict[str, Callable[..., Any]]] = {
    "check_template": check_template_of,
    "preview": preview_of,
    "try_expression": try_expression,
    "try_schema": try_schema,
}
