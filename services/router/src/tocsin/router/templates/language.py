"""The template language: what of Jinja may be written, so that what Jinja2 reads and the check accepts can be rendered.

What could grow without bound is left out or bounded (`bounds`): macros and inheritance, `namespace`, filters that pad or
format to a width. `FILTERS` says what each filter is given; the check, the compiler and `docs/templates.md` follow it.
"""

from collections.abc import Iterator
from typing import Any, Final

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream

from tocsin.contracts.channels import ADDRESS_FIELDS
from tocsin.router.templates.signatures import (
    Flag,
    OneOf,
    Parameter,
    Path,
    Signature,
    TestName,
    Text,
    Value,
    Whole,
)

SOURCE_CHARS: Final = 64 * 1024
"""A part's source may not be longer."""
TEMPLATE_CHARS: Final = 2 * SOURCE_CHARS
"""All parts together may not be longer: compiling takes up to 15 ms of a CPU for each 1,024 characters."""

_ATTRIBUTE: Final = Parameter("attribute", Path())
_CASE_SENSITIVE: Final = Parameter("case_sensitive", Flag(), otherwise="false")
_DEFAULT: Final = Signature(
    Parameter("default_value", Value(), otherwise="''"), Parameter("boolean", Flag(), otherwise="false")
)
_NUMBER: Final = Signature(Parameter("default", Value()))
_TEST: Final = (Parameter("test", TestName()), Parameter("argument", Value()))
_NOTHING: Final = Signature()

FILTERS: Final[dict[str, Signature]] = {
    "abs": _NOTHING,
    "bool": _NOTHING,
    "capitalize": _NOTHING,
    "count": _NOTHING,
    "d": _DEFAULT,
    "default": _DEFAULT,
    "e": _NOTHING,
    "escape": _NOTHING,
    "first": _NOTHING,
    "float": _NUMBER,
    "int": _NUMBER,
    "items": _NOTHING,
    "join": Signature(Parameter("d", Text(), otherwise="''"), _ATTRIBUTE),
    "last": _NOTHING,
    "length": _NOTHING,
    "list": _NOTHING,
    "lower": _NOTHING,
    "map": Signature(
        Parameter("attribute", Path(), required=True, named=True), Parameter("default", Value(), named=True)
    ),
    "max": Signature(_CASE_SENSITIVE, _ATTRIBUTE),
    "min": Signature(_CASE_SENSITIVE, _ATTRIBUTE),
    "reject": Signature(*_TEST),
    "rejectattr": Signature(Parameter("attribute", Path(), required=True), *_TEST),
    "replace": Signature(
        Parameter("old", Text(), required=True),
        Parameter("new", Text(), required=True),
        Parameter("count", Whole(0, 1_000_000)),
    ),
    "reverse": _NOTHING,
    "round": Signature(
        Parameter("precision", Whole(-15, 15), otherwise="0"),
        Parameter("method", OneOf("common", "ceil", "floor"), otherwise="'common'"),
    ),
    "safe": _NOTHING,
    "select": Signature(*_TEST),
    "selectattr": Signature(Parameter("attribute", Path(), required=True), *_TEST),
    "sort": Signature(Parameter("reverse", Flag(), otherwise="false"), _CASE_SENSITIVE, _ATTRIBUTE),
    "string": _NOTHING,
    "sum": Signature(_ATTRIBUTE, Parameter("start", Value(), otherwise="0")),
    "title": _NOTHING,
    "tojson": Signature(Parameter("indent", Whole(0, 8))),
    "trim": Signature(Parameter("chars", Text())),
    "unique": Signature(_CASE_SENSITIVE, _ATTRIBUTE),
    "upper": _NOTHING,
    "urlencode": _NOTHING,
}
"""By name: what the filter is given besides the value before the `|`."""

COMPARISONS: Final[dict[str, str]] = {
    "eq": "==", "equalto": "==", "==": "==",
    "ne": "!=", "!=": "!=",
    "lt": "<", "lessthan": "<", "<": "<",
    "le": "<=", "<=": "<=",
    "gt": ">", "greaterthan": ">", ">": ">",
    "ge": ">=", ">=": ">=",
    "in": "in",
}  # fmt: skip
"""Tests that compare with their argument, and the operator that each stands for. The signs are names for `select` and the like."""
_PLAIN_TESTS: Final = (
    "boolean", "defined", "even", "false", "float", "integer", "iterable", "lower", "mapping", "none", "number", "odd",
    "sequence", "string", "true", "undefined", "upper",
)  # fmt: skip
TESTS: Final[dict[str, int]] = dict.fromkeys(COMPARISONS, 1) | {
    "divisibleby": 1,
    **dict.fromkeys(_PLAIN_TESTS, 0),
}
"""By name: how many arguments the test has."""

STATEMENTS: Final = (
    nodes.Output,
    nodes.For,
    nodes.If,
    nodes.Assign,
    nodes.AssignBlock,
    nodes.With,
)
"""Of the tags: `for`, `if`, `set`, `with`. The rest (`macro`, `include`, `extends`, `block`, `filter`, …) is refused."""
NOT_TO_SET: Final = frozenset({"loop", "range", "self", "super", "caller"})
"""Names that the renderer gives a meaning of its own; so have all that begin with `__`."""

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

MOST_TOKENS: Final = 3_000
"""Of one part: words, signs and pieces of text, as the parser reads them; a mail of 60 KB with 300 tags has about 3,000. Reading and compiling
takes some 30 µs for each."""


class _Counted(Extension):
    """Stops the parser at a part that is too long to be read."""

    def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
        for number, token in enumerate(stream):
            if number == MOST_TOKENS:
                raise jinja2.TemplateSyntaxError(_TOO_LONG, token.lineno)
            yield token


_TOO_LONG: Final = f"The tags of a part have at most {MOST_TOKENS:,} words and signs. Use a loop for what is repeated, or send less to be chosen from"
parser: Final = jinja2.Environment(autoescape=False, extensions=[_Counted])  # noqa: S701 - only parses; `program` renders, and escapes HTML
