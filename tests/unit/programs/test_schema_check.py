"""What a schema may ask for, and how wide it is."""

import socket
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.cpu_time import takes_at_most
from tests.hostile_programs import (
    BACK_REFERENCE,
    DOUBLING_SCHEMA,
    LARGE_NUMBERS,
    LOOK_AROUND,
    MANY_ALTERNATIVES,
    UNCLEAR_PATTERNS,
    doubling_schema,
    escaped_slashes,
    renamed_below,
)

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
    ({"pattern": r"[^\p{L}\p{N}]{19}"}, ("pattern",), "256 KiB"),
    *(({"pattern": pattern}, ("pattern",), "one way only") for pattern in UNCLEAR_PATTERNS),
    ({"pattern": r"\p{" * 85_000}, ("pattern",), "at most 4,096 characters"),
    (
        {"patternProperties": {"a" * 4_097: True}},
        ("patternProperties", "a" * 4_097),
        "at most 4,096 characters",
    ),
    (MANY_ALTERNATIVES, ("anyOf", 40, "pattern"), "at most 5,000 places"),
    *((schema, (), "at most 300 whole numbers") for schema in LARGE_NUMBERS),
    ({"items": {"multipleOf": 1e-300}}, ("items", "multipleOf"), "closer to 0"),
    ({"maximum": 1e300}, ("maximum",), "more than 64 bits"),
    ({"minimum": 1e-300}, ("minimum",), "closer to 0"),
    ({"enum": [1e300 + n * 1e285 for n in range(10_000)]}, ("enum",), "more than 64 bits"),
    ({"enum": ["a", [{"b": -5e-324}]]}, ("enum",), "closer to 0"),
    ({"const": 2**64 + 1}, ("const",), "more than 64 bits"),
    ({"pattern": "a{99999}"}, ("pattern",), "at most 5,000 places"),
    ({"items": {"$ref": "#"}}, ("items", "$ref"), "leads to `#/$defs/<name>` alone"),
    ({"items": {"$ref": "#/properties/a"}}, ("items", "$ref"), "alone"),
    ({"$ref": "http://127.0.0.1:9/x"}, ("$ref",), "alone"),
    ({"$ref": "#/$defs/a/b"}, ("$ref",), "alone"),
    ({"$ref": 7}, ("$ref",), "alone"),
    (escaped_slashes(), ("$defs", "a0", "definitions", "q", "allOf", 0, "$ref"), "alone"),
    *(
        ({"$ref": f"{DEFS}{name}"}, ("$ref",), "alone")
        for name in ("a%62", "a~1b", "a~", "a b", "größe", "a#b", "a?b", "", "a\n")
    ),
    ({"$ref": "#/%24defs/a"}, ("$ref",), "alone"),
    (renamed_below("id"), ("properties", "x", "id"), "root"),
    (renamed_below("$id"), ("properties", "x", "$id"), "root"),
    ({"items": {"$anchor": "a"}}, ("items", "$anchor"), "root"),
    ({"$defs": {"a": {"$dynamicAnchor": "a"}}}, ("$defs", "a", "$dynamicAnchor"), "root"),
    ({"items": {"$recursiveAnchor": True}}, ("items", "$recursiveAnchor"), "root"),
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


@pytest.mark.parametrize("keyword", ["$ref", "$schema", "$id", "$dynamicRef"])
def test_nothing_is_fetched(keyword: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()
        address = f"http://{host}:{port}/schema.json"
        for schema in ({keyword: address}, {"$defs": {"a": {keyword: address}}}):
            with suppress(SchemaRefused):
                DataSchema(schema).accepts({}, 2)
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize("levels", [200, 20_000])
def test_what_nests_deep_is_refused_whoever_wrote_it(levels: int) -> None:
    schema: dict[str, Any] = {}
    for _ in range(levels):
        schema = {"not": schema}
    with pytest.raises(SchemaRefused, match="128 deep"):
        DataSchema(schema)


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
    ({"pattern": "[ab]{200}"}, 52),
    ({"propertyNames": {"pattern": "^a"}}, 12),
    ({"$ref": f"{DEFS}a", "$defs": {"a": {"allOf": [{}, {}]}}}, 4),
    ({"$ref": f"{DEFS}Size_1.a-b", "$defs": {"Size_1.a-b": {"allOf": [{}]}}}, 3),
    ({"properties": {"id": {"type": "string"}}, "id": "urn:x"}, 1),
    ({"uniqueItems": True, "items": {"items": {}}}, 3),
    ({"enum": ["a"] * 100}, 2),
    ({"enum": [None] * 160}, 11),
    ({"enum": list(range(10))}, 51),
    ({"enum": [0.5, "a", True, 2**63]}, 11),
    ({"const": {"a": "b"}, "items": {}}, 2),
    ({"const": {"a": [1]}, "items": {}}, 6),
    ({"enum": [["a"], [0.1], [2]]}, 12),
    ({"const": 2**64}, 6),
    ({"const": 7}, 6),
    ({"const": True}, 1),
    ({"minimum": 0, "maximum": 2**63 - 1}, 1),
    ({"minimum": 1e-15, "exclusiveMaximum": 2**63}, 11),
    ({"enum": [1, 2, "a"]}, 11),
    ({"format": "date-time"}, 5),
    ({"multipleOf": 5}, 5),
    ({"multipleOf": 0.01}, 41),
    ({"anyOf": [{}, {}], "unevaluatedProperties": False}, 7),
    ({"dependentRequired": {f"p{n}": [] for n in range(80)}}, 11),
    ({"enum": [{"$ref": "http://x"}], "default": {"$ref": "#"}, "properties": {"$ref": {}}}, 2),
]


READINGS: list[tuple[dict[str, Any], int]] = [
    ({"minLength": 3, "enum": ["a"]}, 0),
    ({"pattern": "^[a-z]{5}$"}, 1),
    ({"pattern": "^[a-z]{30}$"}, 33),
    ({"allOf": [{"pattern": "a{20}"}], "pattern": "b{20}"}, 42),
    ({"properties": {"a": {"pattern": "a{20}"}, "b": {"pattern": "b{30}"}}}, 31),
    ({"propertyNames": {"pattern": "a{20}"}, "patternProperties": {"b{30}": True}}, 52),
    ({"format": "email"}, 4),
    ({"format": "idn-hostname"}, 33),
]


@pytest.mark.parametrize(("schema", "reading"), READINGS)
def test_how_much_reads_each_character_of_a_text(schema: dict[str, Any], reading: int) -> None:
    assert check_schema(schema).reading == reading


@pytest.mark.parametrize(("schema", "width"), WIDTHS)
def test_the_width_of_a_schema(schema: dict[str, Any], width: int) -> None:
    assert DataSchema(schema).width == width


@settings(max_examples=100)
@given(st.from_regex(r"[A-Za-z0-9_.-]+", fullmatch=True))
def test_the_library_finds_the_definition_that_was_counted(name: str) -> None:
    schema = DataSchema({"$ref": DEFS + name, "$defs": {name: {"const": 1}, name.casefold() + "x": True}})
    assert schema.accepts(1, 1)
    assert not schema.accepts(2, 1)


HOSTILE: dict[str, dict[str, Any]] = {
    "decoded slashes": escaped_slashes(),
    "a name of its own": renamed_below(),
    "a class that is not closed, again and again": {"pattern": r"\p{" * 85_000},
    "large numbers, 9,000": LARGE_NUMBERS[0],
    "large numbers, 4,000": LARGE_NUMBERS[1],
    "large types": LARGE_NUMBERS[2],
    "alternatives": MANY_ALTERNATIVES,
}


@pytest.mark.parametrize("schema", HOSTILE.values(), ids=HOSTILE)
def test_judging_takes_no_longer_for_a_hostile_schema(schema: dict[str, Any]) -> None:
    def refused() -> None:
        with pytest.raises(SchemaRefused):
            DataSchema(schema)

    takes_at_most(0.3, refused)


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
        ("", 1), ("abc", 3), ("^[0-9a-f]{8}-[0-9a-f]{4}$", 17), ("(a|b){3}", 13), ("a{2,}", 3), ("^(ab){2,3}c$", 13),
        (r"[a\]b]+", 2), (r"[a-z&&aeiou]x", 2), (r"\p{L}{1,40}", 10_001), (r"[\P{L}\d]", 250), (r"\d{4}", 5), (r"\u{1F600}x", 2),
        ("(?i)(?:a|(?<n>b))", 6), ("a}]", 3), ("(((a{1000}){1000}){1000})", MANY), ("a{999999999}", MANY), ("(" * 50, 1),
        ("||||", 4), ("a{1}{1}{1}", 4), ("()()", 2), ("^$" * 50, 100), ("(?:a+){3}", 10),
    ],
)  # fmt: skip
def test_the_places_of_a_pattern(pattern: str, number: int) -> None:
    assert places(pattern) == number
