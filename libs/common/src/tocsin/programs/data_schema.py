"""A workflow's JSON Schema, compiled: whether data fits it, and what is wrong with data that does not.

How much work that is at most follows from two whole numbers, the schema's width and the bytes of the data. Where their product is too
large the data is refused unseen: at ingest and at the router alike, and again in every re-run.
"""

from itertools import islice
from typing import Any, Final, NamedTuple

import jsonschema_rs

from tocsin.programs.json_values import costly_numbers, every_value
from tocsin.programs.schema_check import SchemaRefused, check_schema
from tocsin.programs.schema_keywords import COMPARING

MOST_STEPS: Final = 2_000_000
"""Of a schema's width times the bytes of the data."""
MOST_ERRORS: Final = 100
"""Errors that are listed for one piece of data."""
PATTERN_BYTES: Final = 256 * 1024
"""What one compiled pattern may take."""
_LISTED_STEPS: Final = 30_000
"""Up to so many, errors are looked for one by one: each takes some 20 µs, and the library makes all before it shows the first."""
_FLAT: Final = 10
"""Levels up to which an error takes so long; the error of `anyOf` holds those below it, each with its own path."""
_NAMED_BYTES: Final = 64 * 1024
"""In larger data no error is named: the library gives each one a copy of the value that it is about."""
_COSTLY: Final = 4_000
"""Of a schema's width times the data's costly numbers: the library compares and divides these by way of long fractions."""
_COMPARED: Final = 100_000
"""Of a schema's width times the square of these numbers, for `uniqueItems`: the library's hash puts large ones into one place."""
_DETAIL_CHARS: Final = 500
_UNKNOWN_DRAFT: Final = (
    "This kind of JSON Schema is not known. Leave `$schema` out, or name a published draft"
)
_GUESSING: Final = frozenset({"anyOf", "oneOf"})
"""The library's error for these keywords holds the errors of every branch."""
_SHORTEST: Final = 5
"""Bytes that a costly number takes at least, with the comma after it: `1e99,`."""
TOO_COMPLEX: Final = (
    "The data is too large for a schema as wide as the workflow's. Send less data, or give the workflow a schema with fewer "
    "rules for the same value"
)


class SchemaError(NamedTuple):
    """One thing that is wrong with data. It repeats no value of the data; `names` and `path` hold names of properties."""

    path: tuple[str | int, ...]
    keyword: str
    message: str
    """Without a full stop."""
    names: tuple[str, ...] = ()
    """The properties that are missing or not allowed, for `required`, `additionalProperties` and `unevaluatedProperties`."""


_UNNAMED: Final = SchemaError((), "schema", "The value does not fit the schema")
"""Stands for all errors, where looking for them would take too long."""


class DataSchema:
    """Construction checks and compiles. Raises SchemaRefused, for incorrect JSON Schema too."""

    def __init__(self, schema: dict[str, Any]) -> None:
        cost = check_schema(schema)
        self.width: Final = cost.width
        self._listing = cost.most_errors * max(1, cost.levels // _FLAT)
        self._has_unique = _mentions(schema, frozenset({"uniqueItems"}))
        self._guesses = _mentions(schema, _GUESSING)
        self._compares = self._has_unique or _mentions(schema, frozenset(COMPARING))
        self._validator = _compiled(schema)
        self._is_valid = self._validator.is_valid

    def too_complex(self, data: Any, size: int) -> bool:
        """Whether `data`, which takes `size` bytes as JSON, would be too much work."""
        if self.width * size > MOST_STEPS:
            return True
        if not self._compares or self.width * size <= _COSTLY * _SHORTEST:  # so few cannot be too many
            return False
        number = costly_numbers(data)
        return self.width * number > _COSTLY or (self._has_unique and self.width * number**2 > _COMPARED)

    def accepts(self, data: Any, size: int) -> bool:
        """Whether `data` fits, and is not too complex."""
        if self.width * size > _COSTLY * _SHORTEST and self.too_complex(data, size):
            return False
        return bool(self._is_valid(data))

    def errors(self, data: Any, size: int) -> list[SchemaError]:
        """What is wrong with data that is not too complex: at most `MOST_ERRORS`; only the first, or none by name, in large data."""
        if self._listing * size <= _LISTED_STEPS:
            return [_error(error) for error in islice(self._validator.iter_errors(data), MOST_ERRORS)]
        if self._guesses or size > _NAMED_BYTES:
            return [] if self._is_valid(data) else [_UNNAMED]
        try:
            self._validator.validate(data)
        except jsonschema_rs.ValidationError as error:
            return [_error(error)]
        return []


def _compiled(schema: dict[str, Any]) -> Any:
    # Without the schema's own name nothing inside it can be found under another one.
    nameless = {keyword: value for keyword, value in schema.items() if keyword not in {"$id", "id"}}
    try:
        return jsonschema_rs.validator_for(
            nameless,
            mask="The value",
            offline=True,
            pattern_options=jsonschema_rs.RegexOptions(size_limit=PATTERN_BYTES),
        )
    except jsonschema_rs.ValidationError as error:
        if isinstance(
            error.kind, jsonschema_rs.ValidationErrorKind.Referencing
        ):  # of `$ref` there is nothing left
            raise SchemaRefused(_UNKNOWN_DRAFT, path=("$schema",)) from None
        raise SchemaRefused(_refusal(error), path=tuple(error.instance_path)) from None
    except ValueError:
        raise SchemaRefused(_UNKNOWN_DRAFT, path=("$schema",)) from None


def _refusal(error: Any) -> str:
    if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Format) and error.kind.format == "regex":
        return (
            "Not a regular expression that is run: look-around and back-references are not, and one takes at most 256 KiB when "
            "it is compiled. Write it without them, or use `maxLength` instead of large repetitions"
        )
    return str(error.message)[:_DETAIL_CHARS]


def _error(error: Any) -> SchemaError:
    names: tuple[str, ...] = ()
    match type(error.kind).__name__:
        case "Required":
            names = (error.kind.property,)
        case "AdditionalProperties" | "UnevaluatedProperties":
            names = tuple(error.kind.unexpected[:MOST_ERRORS])
    return SchemaError(
        tuple(error.instance_path), str(error.kind.name), str(error.message)[:_DETAIL_CHARS], names
    )


def _mentions(schema: Any, keywords: frozenset[str]) -> bool:
    """Whether one of the words stands anywhere as a key: a property of that name counts too, which costs nothing but speed."""
    return any(not keywords.isdisjoint(value) for value in every_value(schema) if isinstance(value, dict))
