"""The template language: what of Jinja may be written, so that what is checked with Jinja2 renders the same in minijinja.

What could grow without bound is left out or bounded (`bounds`): macros and inheritance, `namespace`, filters that pad or
format to a width. A name enters here when both engines mean the same by it.
"""

from typing import Any, Final

import jinja2
from jinja2 import nodes

from tocsin.contracts.channels import ADDRESS_FIELDS

SOURCE_CHARS: Final = 64 * 1024
"""A part's source may not be longer."""
TEMPLATE_CHARS: Final = 2 * SOURCE_CHARS
"""All parts together may not be longer: compiling takes up to 15 ms of a CPU for each 1,024 characters."""

FILTERS: Final = frozenset(
    [
        "abs",
        "bool",
        "capitalize",
        "d",
        "default",
        "e",
        "escape",
        "first",
        "float",
        "int",
        "items",
        "join",
        "last",
        "length",
        "count",
        "list",
        "lower",
        "map",
        "max",
        "min",
        "reject",
        "rejectattr",
        "replace",
        "reverse",
        "round",
        "safe",
        "select",
        "selectattr",
        "sort",
        "string",
        "sum",
        "title",
        "tojson",
        "trim",
        "unique",
        "upper",
        "urlencode",
    ]
)
TESTS: Final = frozenset(
    [
        "defined",
        "undefined",
        "none",
        "boolean",
        "false",
        "true",
        "integer",
        "float",
        "number",
        "string",
        "mapping",
        "iterable",
        "sequence",
        "odd",
        "even",
        "divisibleby",
        "lower",
        "upper",
        "in",
        "eq",
        "equalto",
        "==",
        "ne",
        "!=",
        "lt",
        "lessthan",
        "<",
        "le",
        "<=",
        "gt",
        "greaterthan",
        ">",
        "ge",
        ">=",
    ]
)
STATEMENTS: Final = (
    nodes.Output,
    nodes.For,
    nodes.If,
    nodes.Assign,
    nodes.AssignBlock,
    nodes.With,
)
"""Of the tags: `for`, `if`, `set`, `with`. The rest (`macro`, `include`, `extends`, `block`, `filter`, …) is refused."""

_ATTRIBUTES: Final[dict[str, Any]] = {"type": "object", "additionalProperties": True}
_PERSON: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        **{field: {"type": "string"} for field in ADDRESS_FIELDS},
        "locale": {"type": "string"},
        "time_zone": {"type": "string"},
        "attributes": _ATTRIBUTES,
    },
}
ROOTS: Final[dict[str, dict[str, Any]]] = {
    "recipient": _PERSON,
    "actor": _PERSON,
    "tenant": {
        "type": "object",
        "properties": {"id": {"type": "string"}, "name": {"type": "string"}, "attributes": _ATTRIBUTES},
    },
    "data": {"additionalProperties": True},
    "link": {"type": "string"},
    "links": {"type": "object", "properties": {"unsubscribe": {"type": "string"}}},
}
"""What a template may begin a variable with, and the shape of each; the workflow's data schema stands in for `data`."""

parser: Final = jinja2.Environment(autoescape=False)  # noqa: S701 - only parses; minijinja renders, and escapes HTML
