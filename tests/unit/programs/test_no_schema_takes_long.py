"""No schema that passes the check takes 0.3 s of processor time: to check, compile and ask for the largest data that the count permits."""

import json
from collections.abc import Callable, Iterator
from time import thread_time
from typing import Any, Final, NamedTuple

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.cpu_time import no_garbage_collection

from tocsin.contracts.limits import EVENT_DATA_BYTES
from tocsin.programs import DataSchema, SchemaRefused
from tocsin.router.api.fields import SCHEMA_BYTES

BOUND: Final = 0.3
BOUND_OF_A_BUSY_MACHINE: Final = 1.5
"""For the tests of every change: what is not counted takes ever longer, and a processor that others use is up to three times slower."""

Strategy = st.SearchStrategy[Any]
NAMES = st.sampled_from(["a", "b", "k1", "name"])
PATTERNS = st.sampled_from(
    [
        "^[ab]*a[ab]{30}$", "^[ab]*a[ab]{300}$", "^[ab]*a[ab]{3000}$", "(a|a)*(a|a)*$", "(a+)+$", "(a|aa)+b", r"^\p{L}{1,40}$",
        "^.{1,200}$", "(?i)[a-zé]{50}", "(?!x)a", r"(a)\1", "[ab]{100}{100}", "", "(.*a){20}", "(a?){300}a{300}", r"[\w\s]*[^a]",
    ]
)  # fmt: skip
NUMBERS = st.sampled_from([1e-300, 0.01, 1, 7, 3.7, 2**53 + 1, 1e300])
CONSTANTS = st.sampled_from(
    [0, 1e-300, 1e300, [1e-300], "a", [0], {"a": 0}, [[]] * 200, "a" * 500, [2**64] * 50]
)
LEAVES = st.one_of(
    st.booleans(),
    st.builds(lambda pattern: {"pattern": pattern}, PATTERNS),
    st.builds(lambda number: {"multipleOf": number}, NUMBERS),
    st.builds(lambda value, times: {"enum": [value] * times}, CONSTANTS, st.sampled_from([1, 50, 1_000])),
    st.builds(lambda value: {"const": value}, CONSTANTS),
    st.builds(lambda count: {"required": [f"r{n}" for n in range(count)]}, st.sampled_from([1, 20, 3_000])),
    st.builds(lambda count: {"dependentRequired": {f"k{n}": ["x"] for n in range(count)}}, st.sampled_from([5, 2_000])),
    st.builds(lambda name: {"$ref": f"#/$defs/{name}"}, NAMES),
    st.sampled_from(
        [
            {"uniqueItems": True}, {"minLength": 3, "maxLength": 5}, {"type": "string"}, {"format": "idn-hostname"}, {"format": "regex"},
            {"minProperties": 2}, {"contentMediaType": "application/json", "contentEncoding": "base64"}, {},
        ]
    ),
)  # fmt: skip


def containers(inner: Strategy) -> Strategy:
    lists = st.lists(inner, min_size=1, max_size=3)
    many = st.builds(lambda schema, times: [schema] * times, inner, st.sampled_from([1, 7, 60, 700]))
    return st.one_of(
        st.builds(lambda keyword, schemas: {keyword: schemas}, st.sampled_from(["allOf", "anyOf", "oneOf"]), lists | many),
        st.builds(
            lambda keyword, schema: {keyword: schema},
            st.sampled_from(["not", "items", "contains", "additionalProperties", "propertyNames", "unevaluatedItems"]),
            inner,
        ),
        st.builds(lambda schema, rest: {**rest, "unevaluatedProperties": schema} if isinstance(rest, dict) else rest, inner, inner),
        st.builds(lambda a, b, c: {"if": a, "then": b, "else": c}, inner, inner, inner),
        st.builds(lambda a, b: {"uniqueItems": True, "items": a, "contains": b}, inner, inner),
        st.builds(lambda schema: {"properties": {f"k{n}": schema for n in range(3)}}, inner),
        st.builds(lambda pattern, schema: {"patternProperties": {pattern: schema}}, PATTERNS, inner),
        st.builds(lambda schema: {"dependentSchemas": {"k1": schema}}, inner),
        st.builds(lambda schemas: {"prefixItems": schemas}, lists),
    )  # fmt: skip


def with_definitions(root: Any, definitions: dict[str, Any], draft: str | None) -> dict[str, Any]:
    schema = dict(root) if isinstance(root, dict) else {"not": root}
    return schema | {"$defs": definitions} | ({"$schema": draft} if draft else {})


PARTS = st.recursive(LEAVES, containers, max_leaves=14)
SCHEMAS = st.builds(
    with_definitions,
    PARTS,
    st.fixed_dictionaries(dict.fromkeys(("a", "b", "k1", "name"), PARTS)),
    st.sampled_from([None, None, "http://json-schema.org/draft-07/schema#"]),
)


def nested(value: Any, levels: int) -> Any:
    for _ in range(levels):
        value = [value]
    return value


SHAPES: dict[str, Callable[[int], Any]] = {
    "numbers": lambda size: [0] * (size // 2),
    "numbers in a list": lambda size: {"a": [7] * (size // 2)},
    "floats": lambda size: [1e300] * (size // 8),
    "tiny numbers": lambda size: [1e-300] * (size // 7),
    "large numbers": lambda size: [2**64 + n for n in range(size // 21)],
    "empty lists": lambda size: [[]] * (size // 3),
    "objects": lambda size: [{"k1": 0}] * (size // 10),
    "different objects": lambda size: [{"k1": n, "a": [n]} for n in range(size // 26)],
    "a wide object": lambda size: {f"k{n}": "" for n in range(size // 12)},
    "one text": lambda size: "ab" * (size // 2),
    "one text of one letter": lambda size: "a" * size,
    "texts": lambda size: ["abab"] * (size // 7),
    "names": lambda size: ["ü.de"] * (size // 8),
    "deep": lambda size: nested([0] * (size // 2 - 60), 50),
    "lists of constants": lambda size: [[[]] * 200] * (size // 602),
}


def largest(shape: Callable[[int], Any], fits: Callable[[Any, int], bool]) -> tuple[Any, int]:
    """The largest data of that shape that fit, and their bytes."""
    least, most = 130, EVENT_DATA_BYTES - 2
    while most - least > most // 16:
        middle = (least + most) // 2
        data = shape(middle)
        least, most = (middle, most) if fits(data, len(msgspec.json.encode(data))) else (least, middle)
    data = shape(least)
    return data, len(msgspec.json.encode(data))


class Slow(NamedTuple):
    """Seconds of processor time."""

    compiling: float
    judging: float


def slow_shapes(schema: dict[str, Any], bound: float) -> dict[str, Slow]:
    """The shapes of data for which the schema takes too long, and how long: compiling, and judging the largest data of the shape."""
    if len(msgspec.json.encode(schema)) > SCHEMA_BYTES:  # refused by its size alone, before all else
        return {}
    began = thread_time()
    try:
        compiled = DataSchema(schema)
    except SchemaRefused:
        took = thread_time() - began
        return {"refused": Slow(took, 0.0)} if took > bound else {}
    compiling = thread_time() - began
    slow: dict[str, Slow] = {}
    for name, shape in SHAPES.items():
        data, size = largest(shape, lambda data, size: not compiled.too_complex(data, size))
        began = thread_time()
        if not compiled.accepts(data, size) and not compiled.too_complex(data, size):
            compiled.errors(data, size)
        judging = thread_time() - began
        if compiling + judging > bound:
            slow[name] = Slow(compiling, judging)
    return slow


@pytest.fixture(autouse=True)
def _no_garbage_collection() -> Iterator[None]:
    with no_garbage_collection():
        yield


def check(schema: dict[str, Any], bound: float = BOUND_OF_A_BUSY_MACHINE) -> None:
    slow = slow_shapes(schema, bound)
    # A machine that is busy with others makes one measurement longer, not two.
    assert not (slow and slow_shapes(schema, bound)), (slow, json.dumps(schema)[:2_000])


FOUND = [
    {"items": {"pattern": "^[ab]*a[ab]{3000}$"}},
    {"pattern": "^[ab]*a[ab]{3000}$"},
    {"uniqueItems": True},
    {"items": {"enum": [[n] for n in range(5_000)]}},
    {"items": {"multipleOf": 1e-300}},
    {"items": {"anyOf": [{"type": "string"}] * 7}},
    {"items": {"dependentRequired": {f"p{n}": ["a"] for n in range(3_000)}}},
    {"required": [f"p{n}" for n in range(20_000)], "allOf": [{"required": [f"q{n}" for n in range(10_000)]}]},
    {"properties": {f"p{n}": {"pattern": f"^\\p{{L}}{{1,5}}{n}$"} for n in range(19)}},
    {"enum": [f"value {n}" for n in range(15_000)]},
    {"items": {"if": {"enum": [0] * 1_000}, "then": True}},
    {"items": {"not": {"enum": list(range(300))}}},
    {"items": {"const": 1e-300}},
    {"items": {"maximum": 1e-300}},
    {"items": {"anyOf": [{"enum": [[1e-300], 1e-300, 5e-324]}, True]}},
    {"uniqueItems": True, "items": {"properties": {"a": False}}, "contains": False},
]


@pytest.mark.parametrize("schema", FOUND)
def test_what_was_slow_is_counted(schema: dict[str, Any]) -> None:
    check(schema)


@settings(
    max_examples=15,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(SCHEMAS)
def test_no_schema_takes_long(schema: dict[str, Any]) -> None:
    check(schema)


@pytest.mark.nightly
@settings(max_examples=2_000, suppress_health_check=list(HealthCheck))
@given(SCHEMAS)
def test_none_of_many_schemas_takes_long(schema: dict[str, Any]) -> None:
    check(schema, BOUND)
