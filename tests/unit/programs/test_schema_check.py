"""What a schema may ask for, and how wide it is."""

from typing import Any

import pytest
from tests.hostile_programs import BACK_REFERENCE, DOUBLING_SCHEMA, LOOK_AROUND, doubling_schema

from tocsin.programs import DataSchema, SchemaRefused
from tocsin.programs.pattern_places import MANY, places
from tocsin.programs.schema_check import MOST_LEVELS, check_schema

DEFS = "#/$defs/"


def chain(levels: int) -> dict[str, Any]:
    """Definitions that lead one to the next."""
    links = {f"a{n}": {"$ref": f"{DEFS}a{n + 1}"} for n in range(levels)}
    return {"$ref": f"{DEFS}a0", "$defs": {**links, f"a{levels}": True}}


REFUSED: list[tuple[dict[str, Any], tuple[str | int, ...], str]] = [
    (DOUBLING_SCHEMA, ("$defs", "a26"), "at most 2,000"),
    ({"properties": {"a": {"pattern": LOOK_AROUND}}}, ("properties", "a", "pattern"), "look-around"),
    ({"pattern": BACK_REFERENCE}, ("pattern",), "back-references"),
    ({"patternProperties": {"(?=a)": True}}, ("patternProperties", "(?=a)"), "look-around"),
    ({"propertyNames": {"pattern": "(?<=a)b"}}, ("propertyNames", "pattern"), "look-around"),
    ({"pattern": "[ab]*a[ab]{9000}$"}, ("pattern",), "256 KiB"),
    ({"items": {"multipleOf": 1e-300}}, ("items", "multipleOf"), "closer to 0"),
    ({"maximum": 1e300}, ("maximum",), "more than 64 bits"),
    ({"enum": ["a", [{"b": -5e-324}]]}, ("enum",), "closer to 0"),
    ({"const": 2**64 + 1}, ("const",), "more than 64 bits"),
    ({"pattern": "a{99999}"}, ("pattern",), "at most 10,000 places"),
    ({"items": {"$ref": "#"}}, ("items", "$ref"), "leads to `#/$defs/<name>` alone"),
    ({"items": {"$ref": "#/properties/a"}}, ("items", "$ref"), "alone"),
    ({"$ref": "http://127.0.0.1:9/x"}, ("$ref",), "alone"),
    ({"$ref": "#/$defs/a/b"}, ("$ref",), "alone"),
    ({"$ref": 7}, ("$ref",), "alone"),
    ({"$ref": f"{DEFS}gone"}, ("$ref",), "not there"),
    ({"$defs": {"a": {"items": {"$ref": f"{DEFS}a"}}}}, ("$defs", "a", "items", "$ref"), "circle"),
    (
        {"$defs": {"a": {"$ref": f"{DEFS}b"}, "b": {"not": {"$ref": f"{DEFS}a"}}}},
        ("$defs", "b", "not", "$ref"),
        "circle",
    ),
    ({"items": {"$dynamicRef": "#x"}}, ("items", "$dynamicRef"), "is not run"),
    ({"$recursiveRef": "#"}, ("$recursiveRef",), "is not run"),
    ({"items": {"$id": "urn:x"}}, ("items", "$id"), "root"),
    ({"items": {"$schema": "http://json-schema.org/draft-07/schema#"}}, ("items", "$schema"), "root"),
    ({"$schema": "http://127.0.0.1:9/x"}, ("$schema",), "not known"),
    ({"properties": {f"p{n}": True for n in range(2_001)}}, ("properties", "p1999"), "at most 2,000"),
    (chain(MOST_LEVELS), (), "at most 128 deep"),
    ({"type": "strin"}, ("type",), "anyOf"),
    ({"properties": {"a": {"minLength": -1}}}, ("properties", "a", "minLength"), "minimum"),
]


@pytest.mark.parametrize(("schema", "path", "sentence"), REFUSED)
def test_a_schema_that_is_not_run_is_refused_with_its_place(
    schema: dict[str, Any], path: tuple[str | int, ...], sentence: str
) -> None:
    with pytest.raises(SchemaRefused) as refused:
        DataSchema(schema)
    if path:
        assert refused.value.path[: len(path) - 1] == path[:-1]
    assert sentence in refused.value.detail or path == ("properties", "a", "minLength")


WIDTHS: list[tuple[dict[str, Any], int]] = [
    ({}, 1),
    ({"type": "object", "properties": {"a": {}, "b": {}, "c": {}}}, 1),
    ({"properties": {"a": {"allOf": [{}, {}]}, "b": {}}}, 3),
    ({"properties": {"a": {}}, "additionalProperties": {}}, 2),
    ({"properties": {"a": {}}, "patternProperties": {"^a": {}}, "additionalProperties": {}}, 11),
    ({"anyOf": [{}, {}], "oneOf": [{}], "not": {}, "if": {}, "then": {}, "else": {}}, 8),
    ({"dependentSchemas": {"a": {}, "b": {}}}, 3),
    ({"items": {"items": {}}, "contains": {"items": {"allOf": [{}]}}}, 3),
    ({"prefixItems": [{}, {}], "items": {}}, 3),
    ({"pattern": "^a+$"}, 11),
    ({"pattern": "[ab]{200}"}, 51),
    ({"propertyNames": {"pattern": "^a"}}, 12),
    ({"$ref": f"{DEFS}a", "$defs": {"a": {"allOf": [{}, {}]}}}, 4),
    ({"$ref": f"{DEFS}a~1b%25", "$defs": {"a/b%": {}}}, 2),
    ({"uniqueItems": True, "items": {"items": {}}}, 2),
    ({"enum": ["a"] * 100}, 1),
    ({"enum": [None] * 160}, 11),
    ({"enum": [1, 2, "a"]}, 9),
    ({"maximum": 5, "minimum": 1}, 1),
    ({"const": {"a": 1}, "items": {}}, 2),
    ({"format": "date-time"}, 5),
    ({"multipleOf": 5}, 5),
    ({"multipleOf": 0.01}, 41),
    ({"anyOf": [{}, {}], "unevaluatedProperties": False}, 7),
    ({"dependentRequired": {f"p{n}": [] for n in range(80)}}, 11),
    ({"enum": [{"$ref": "http://x"}], "default": {"$ref": "#"}, "properties": {"$ref": {}}}, 2),
]


@pytest.mark.parametrize(("schema", "width"), WIDTHS)
def test_the_width_of_a_schema(schema: dict[str, Any], width: int) -> None:
    assert DataSchema(schema).width == width


def test_what_is_written_out_is_counted_by_place() -> None:
    assert check_schema(doubling_schema(8)).written_out == 4 * 2**8 - 2
    twice = {"$defs": {"a": {"properties": {"b": {}}}}, "allOf": [{"$ref": f"{DEFS}a"}, {"$ref": f"{DEFS}a"}]}
    assert check_schema(twice).written_out == 1 + 2 * (1 + 2)


@pytest.mark.parametrize("backwards", [False, True])
def test_the_order_of_definitions_changes_nothing(backwards: bool) -> None:
    """PostgreSQL keeps the names of an object in an order of its own."""
    for links, fits in ((MOST_LEVELS - 2, True), (MOST_LEVELS - 1, True), (MOST_LEVELS, False)):
        schema = chain(links)
        names = list(schema["$defs"].items())
        schema["$defs"] = dict(reversed(names) if backwards else names)
        if fits:
            check_schema(schema)
        else:
            with pytest.raises(SchemaRefused, match="deep"):
                check_schema(schema)


@pytest.mark.parametrize(
    ("pattern", "number"),
    [
        ("", 1), ("abc", 3), ("^[0-9a-f]{8}-[0-9a-f]{4}$", 13), ("(a|b){3}", 6), ("a{2,}", 2), ("^(ab){2,3}c$", 7),
        (r"[a\]b]+", 1), ("[[a-z]&&[aeiou]]x", 2), (r"\p{L}{1,40}", 4_000), (r"\d{4}", 4), (r"\u{1F600}x", 2), ("a{,5}", 5),
        ("(((a{1000}){1000}){1000})", MANY), ("a{99999999999}", MANY), ("(" * 50, 1), ("a" * 9 + "[", 10),
    ],
)  # fmt: skip
def test_the_places_of_a_pattern(pattern: str, number: int) -> None:
    assert places(pattern) == number
