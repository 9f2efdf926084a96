"""Where JSON Schema's keywords hold schemas, and what the other keywords cost. One table for all drafts that can be used."""

from collections.abc import Iterator
from enum import Enum
from typing import Any, Final, NamedTuple

from tocsin.programs.json_values import FINEST, every_value, is_large
from tocsin.programs.pattern_places import places


class Meets(Enum):
    """Which value a sub-schema meets, seen from the value that its schema meets."""

    SAME = "same"
    NAMED = "named"
    """The property of one name."""
    BELOW = "below"
    """Any property or item."""
    NAMES = "names"
    """The names of the properties, which are part of the same value."""
    NOTHING = "nothing"
    """None until a `$ref` leads there."""


class SubSchema(NamedTuple):
    """A schema inside a schema, and the path that leads to it from there."""

    path: tuple[str | int, ...]
    meets: Meets
    schema: Any


_ONE: Final = {
    "not": Meets.SAME,
    "if": Meets.SAME,
    "then": Meets.SAME,
    "else": Meets.SAME,
    "propertyNames": Meets.NAMES,
    "additionalProperties": Meets.BELOW,
    "unevaluatedProperties": Meets.BELOW,
    "items": Meets.BELOW,
    "additionalItems": Meets.BELOW,
    "unevaluatedItems": Meets.BELOW,
    "contains": Meets.BELOW,
    "contentSchema": Meets.BELOW,
}
_LIST: Final = {
    "allOf": Meets.SAME,
    "anyOf": Meets.SAME,
    "oneOf": Meets.SAME,
    "prefixItems": Meets.BELOW,
    "items": Meets.BELOW,
}
_MAP: Final = {
    "properties": Meets.NAMED,
    "patternProperties": Meets.BELOW,
    "dependentSchemas": Meets.SAME,
    "dependencies": Meets.SAME,
    "$defs": Meets.NOTHING,
    "definitions": Meets.NOTHING,
}
_SAYS_NOTHING: Final = frozenset(
    {
        "$schema", "$id", "id", "$anchor", "$comment", "$defs", "definitions", "$ref", "title", "description", "default", "examples", "deprecated",
        "readOnly", "writeOnly", "required", "dependentRequired", "properties", "patternProperties", "items", "prefixItems", "allOf", "if", "then",
        "else",
    }
)  # fmt: skip
"""Keywords that are no rule, or leave the error to a schema inside them."""
LOOKS_AGAIN: Final = ("unevaluatedProperties", "unevaluatedItems")
"""Keywords for which the library asks everything beside them once more."""

_FORMAT: Final = 4
_FORMAT_IDN: Final = 33
"""Names in other alphabets are normalised: half a microsecond a byte."""
_UNIQUE: Final = 2
_TABLE_PLACES: Final = 10
"""Up to so many, the engine's table of states stays small whatever the text: a character is one look into it."""
_NUMBER: Final = 5
"""A number that others are compared with. Two whole numbers take a nanosecond; if either has a fraction, an exponent or more than 63 bits, they
take up to 4 µs, and the data may have any of these."""
_BOUNDS: Final = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_SAFE_WHOLE: Final = 2**53
_LARGEST: Final = 2**64
COMPARING: Final = ("const", "enum", "multipleOf", *_BOUNDS)
"""Keywords that compare with numbers, or divide by one."""


def sub_schemas(schema: dict[str, Any]) -> Iterator[SubSchema]:
    """Every schema that a keyword of `schema` holds. Values of the wrong form are passed over; the library refuses them."""
    for keyword, value in schema.items():
        if isinstance(value, dict):
            if keyword in _ONE:
                yield SubSchema((keyword,), _ONE[keyword], value)
            elif keyword in _MAP:
                for name, inner in value.items():
                    yield SubSchema((keyword, name), _MAP[keyword], inner)
        elif isinstance(value, bool):
            if keyword in _ONE:
                yield SubSchema((keyword,), _ONE[keyword], value)
        elif isinstance(value, list) and keyword in _LIST:
            for index, inner in enumerate(value):
                yield SubSchema((keyword, index), _LIST[keyword], inner)


def patterns(schema: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every regular expression that stands in the schema's own keywords, and the path to it."""
    if isinstance(pattern := schema.get("pattern"), str):
        yield ("pattern",), pattern
    if isinstance(by_pattern := schema.get("patternProperties"), dict):
        for pattern in by_pattern:
            yield ("patternProperties", pattern), pattern


def own_weight(schema: dict[str, Any]) -> int:
    """How many sub-schemas the schema counts where it meets a value, beside those inside it: 1, and more for slow keywords."""
    weight = 1 + sum(pattern_weight(pattern) for _, pattern in patterns(schema))
    weight += _FORMAT if "format" in schema else 0
    if "multipleOf" in schema:
        weight += _multiple_weight(schema["multipleOf"])
    for keyword in ("dependentRequired", "dependencies"):
        if isinstance(named := schema.get(keyword), dict):
            weight += len(named) // 8
    weight += sum(_NUMBER for keyword in _BOUNDS if _is_slow_bound(schema.get(keyword)))
    weight += _NUMBER * _is_number(schema.get("const"))
    if isinstance(options := schema.get("enum"), list) and not all(type(each) is str for each in options):
        # texts alone are looked up; anything else is compared one by one
        weight += len(options) // 16 + _NUMBER * sum(map(_is_number, options))
    return weight


def own_reading(schema: dict[str, Any]) -> int:
    """How many places of regular expressions the schema's own keywords hold against each character of a text. A short one becomes a table."""
    reading = sum(_reading(pattern) for _, pattern in patterns(schema))
    if isinstance(name := schema.get("format"), str):
        reading += _FORMAT_IDN if name.startswith("idn-") else _FORMAT
    return reading


def whole_weight(schema: dict[str, Any]) -> int:
    """The same for keywords that read a value with everything below it."""
    options = schema.get("enum")
    compared = [schema.get("const"), *(options if isinstance(options, list) else [])]
    looked_up = isinstance(options, list) and all(type(each) is str for each in options)
    return _UNIQUE * (schema.get("uniqueItems") is True) + looked_up + sum(map(_compared_whole, compared))


def own_faults(schema: dict[str, Any]) -> int:
    """How many errors the schema's own keywords can give at one value, beside lacking properties: one for each that says something."""
    return len(schema.keys() - _SAYS_NOTHING)


def required_names(schema: dict[str, Any]) -> int:
    """How many properties one value can be told to lack."""
    lists = [schema.get("required"), *_values(schema, "dependentRequired"), *_values(schema, "dependencies")]
    return sum(len(names) for names in lists if isinstance(names, list))


def pattern_weight(pattern: str) -> int:
    """Ten; a quarter of its places, where there are more than 40."""
    return max(10, -(-places(pattern) // 4))


def _reading(pattern: str) -> int:
    number = places(pattern)
    return number if number > _TABLE_PLACES else 1


def costly_keyword(schema: dict[str, Any]) -> str | None:
    """The keyword that compares with a number of more than 64 bits, or one so close to 0 that its fraction is very long; or None."""
    for keyword in COMPARING:
        if any(map(_is_costly, every_value(schema.get(keyword)))):
            return keyword
    return None


def compares_numbers(schema: dict[str, Any]) -> bool:
    """Whether the schema's own keywords compare numbers of the data with anything, or divide them."""
    if "uniqueItems" in schema or "multipleOf" in schema or not schema.keys().isdisjoint(_BOUNDS):
        return True
    options = schema.get("enum", [])
    return any(
        type(option) is not str
        for option in (schema.get("const", ""), *(options if type(options) is list else ()))
    )


def _is_costly(value: Any) -> bool:
    return _is_number(value) and value != 0 and not FINEST <= abs(value) <= _LARGEST


def _values(schema: dict[str, Any], keyword: str) -> list[Any]:
    named = schema.get(keyword)
    return list(named.values()) if isinstance(named, dict) else []


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_slow_bound(value: Any) -> bool:
    return isinstance(value, float) or is_large(value)


def _compared_whole(option: Any) -> int:
    """What a list or an object counts that is compared with a value and everything inside it; 0 for anything else."""
    if not isinstance(option, dict | list):
        return 0
    return _NUMBER if any(map(_is_number, every_value(option))) else 1


def _multiple_weight(divisor: Any) -> int:
    if isinstance(divisor, int) and abs(divisor) <= _SAFE_WHOLE:
        return 4
    # Dividing goes by fractions of whole numbers, which are long where the exponents lie far apart.
    return 40
