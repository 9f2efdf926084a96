"""A workflow's JSON Schema, compiled: whether data fits it, and what is wrong with data that does not.

How much work that is at most follows from whole numbers: the schema's width, and the values of the data and the bytes of its texts. Where
there is too much the data is refused unseen: at ingest and at the router alike, and again in every re-run.
"""

from itertools import islice
from typing import Any, Final, NamedTuple

import jsonschema_rs

from tocsin.programs.json_values import every_value, weigh
from tocsin.programs.schema_check import SchemaRefused, check_schema
from tocsin.programs.schema_keywords import compares_numbers

MOST_STEPS: Final = 30_000
"""Of a schema's width times the values of the data, names of properties among them, and of what it does with the bytes of its texts."""
MOST_ERRORS: Final = 100
"""Errors that are listed for one piece of data."""
PATTERN_BYTES: Final = 256 * 1024
"""What one compiled pattern may take."""
MOST_LISTED: Final = 200
"""Up to so many that could be found, errors are looked for one by one: each takes some 20 µs, and the library makes all before it shows
the first."""
_FLAT: Final = 10
"""Levels up to which an error takes so long; the error of `anyOf` holds those below it, each with its own path."""
_NAMED_BYTES: Final = 16 * 1024
"""In larger data no error is named: the library gives each one a copy of the value that it is about."""
_COSTLY: Final = 150
"""Of a schema's width times the data's costly numbers: the library compares and divides these by way of long fractions."""
_WEIGHING: Final = 2
"""Sub-schemas that take as long as counting a value."""
_BYTES_OF_A_STEP: Final = 64
"""Bytes of a text that are handled at least while one sub-schema looks at one value, which takes some 0.14 µs."""
_PLACES_OF_A_STEP: Final = 7
"""Places of a regular expression that take as long, for so many bytes, as one sub-schema: 15 ns each."""
_SHORTEST: Final = 2
"""Bytes that a value takes at least, with the comma after it: `1,`."""
_SHORTEST_COSTLY: Final = 5
"""The same for a costly number: `1e99,`."""
_DETAIL_CHARS: Final = 500
_UNKNOWN_DRAFT: Final = (
    "This kind of JSON Schema is not known. Leave `$schema` out, or name a published draft"
)
_GUESSING: Final = frozenset({"anyOf", "oneOf"})
"""The library's error for these keywords holds the errors of every branch."""
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
        self._per_text = cost.width + _PLACES_OF_A_STEP * cost.reading
        self._nesting = max(1, cost.levels // _FLAT)
        self._faults, self._lacking = cost.faults, cost.lacking
        self._guesses = _mentions(schema, _GUESSING)
        self._compares = any(compares_numbers(value) for value in every_value(schema) if type(value) is dict)
        self._light_bytes: Final = self._bytes_of_light_data()
        """Data of at most so many bytes need not be weighed."""
        self._validator = _compiled(schema)
        self._is_valid = self._validator.is_valid

    def too_complex(self, data: Any, size: int) -> bool:
        """Whether `data`, which takes `size` bytes as JSON, would be too much work."""
        return size > self._light_bytes and self._is_too_complex(data)

    def accepts(self, data: Any, size: int) -> bool:
        """Whether `data` fits, and is not too complex."""
        return not self.too_complex(data, size) and bool(self._is_valid(data))

    def _is_too_complex(self, data: Any) -> bool:
        weight = weigh(data, MOST_STEPS // (self.width + _WEIGHING))
        if weight is None or self._steps(weight.values + weight.names, weight.text_bytes) > MOST_STEPS:
            return True
        return self._compares and self.width * weight.costly > _COSTLY

    def _steps(self, values: int, text_bytes: int) -> int:
        return (self.width + _WEIGHING) * values + self._per_text * text_bytes // _BYTES_OF_A_STEP

    def _bytes_of_light_data(self) -> int:
        """The bytes up to which no data are too complex, whatever they hold."""
        bounds = [
            MOST_STEPS
            * _BYTES_OF_A_STEP
            // ((self.width + _WEIGHING) * _BYTES_OF_A_STEP // _SHORTEST + self._per_text)
        ]
        if self._compares:
            bounds.append(_SHORTEST_COSTLY * (_COSTLY // self.width))
        return min(bounds) - 2 * _SHORTEST_COSTLY

    def _few_errors(self, data: Any) -> bool:
        """Whether no more errors can be found than may be looked for one by one."""
        weight = weigh(data, MOST_LISTED)
        if weight is None:
            return False
        return (self._faults * weight.values + self._lacking * weight.objects) * self._nesting <= MOST_LISTED

    def errors(self, data: Any, size: int) -> list[SchemaError]:
        """What is wrong with data that is not too complex: at most `MOST_ERRORS`; only the first, or none by name, in large data."""
        if self._few_errors(data):
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
