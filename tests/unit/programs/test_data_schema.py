"""What is wrong with data, and when it is not looked at."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.cpu_time import takes_at_most

from tocsin.contracts.codec import encode
from tocsin.programs import MOST_ERRORS, DataSchema

BRANCHES: dict[str, Any] = {"items": {"anyOf": [{"type": "string"}, {"type": "null"}]}}


TEN_WIDE: dict[str, Any] = {"allOf": [{}] * 9}


@pytest.mark.parametrize(
    ("schema", "fits", "too_much"),
    [
        (TEN_WIDE, [0] * 2_499, [0] * 2_500),
        (TEN_WIDE, {str(n): 0 for n in range(1_200)}, {str(n): 0 for n in range(1_300)}),
        (TEN_WIDE, "x" * 191_900, "x" * 192_000),
        ({"pattern": "^[a-z]{50}$"}, "x" * 4_900, "x" * 5_000),
        ({"pattern": "^[a-z]+$"}, "x" * 106_000, "x" * 107_000),
        ({"items": {"format": "idn-email"}}, ["ü" * 50] * 75, ["ü" * 50] * 85),
    ],
)  # fmt: skip
def test_data_are_looked_at_up_to_thirty_thousand_steps(
    schema: dict[str, Any], fits: Any, too_much: Any
) -> None:
    """A step is a sub-schema that looks at a value or at a name; what reads each character of a text counts by its bytes."""
    compiled = DataSchema(schema)
    for data, is_too_much in ((fits, False), (too_much, True)):
        assert compiled.too_complex(data, len(encode(data))) is is_too_much
    assert not compiled.accepts(too_much, len(encode(too_much)))


@given(
    st.integers(1, 40),
    st.recursive(
        st.integers() | st.text() | st.floats(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ),
)
def test_small_data_are_not_weighed_where_weighing_would_let_them_through(width: int, data: Any) -> None:
    compiled = DataSchema({"allOf": [{"maximum": 3}] * width})
    if not compiled.too_complex(data, len(encode(data))):
        assert not compiled.too_complex(data, 10**9)


@pytest.mark.parametrize("costly", [2**63, -(2**63) - 1, 1e300, 1e-300, -5e-324])
def test_numbers_that_are_costly_to_compare_are_counted(costly: float) -> None:
    ordinary = [0, 0.0, 1.5, 2**63 - 1, 1e-15] * 400
    schema = DataSchema({"allOf": [{"maximum": 5}] * 9})  # 10 wide
    assert not schema.too_complex([costly] * 15 + ordinary, 50_000)
    assert schema.too_complex([costly] * 16 + ordinary, 50_000)
    assert not schema.accepts([costly] * 16 + ordinary, 50_000)
    unique = DataSchema({"uniqueItems": True})  # 3 wide
    assert not unique.too_complex([costly] * 50 + ordinary, 50_000)
    assert unique.too_complex([costly] * 51 + ordinary, 50_000)


def test_errors_are_listed_where_there_cannot_be_many() -> None:
    schema = DataSchema({"items": {"type": "string"}, "required": ["a"]})
    assert [error.path for error in schema.errors([1, 2], 5)] == [(0,), (1,)]
    assert len(schema.errors([1] * 150, 301)) == MOST_ERRORS
    (only,) = schema.errors([1] * 4_000, 8_001)
    assert (only.path, only.keyword) == ((0,), "type")
    (only,) = schema.errors([1] * 10_000, 20_001)
    assert (only.path, only.keyword) == ((), "schema")


def test_large_data_that_fit_no_branch_are_told_without_a_place() -> None:
    (only,) = DataSchema(BRANCHES).errors([1] * 20_000, 40_001)
    assert (only.path, only.keyword, only.message) == ((), "schema", "The value does not fit the schema")


NUMBERS: dict[str, tuple[dict[str, Any], Any]] = {
    "floats": ({"items": {"enum": [n + 0.5 for n in range(20_000)]}}, [19_999.5] * 180),
    "whole numbers, and data with fractions": ({"items": {"enum": [*range(20_000), 0.25]}}, [0.25] * 180),
    "many bits": ({"items": {"enum": [*range(20_000), 2**62]}}, [float(2**62)] * 180),
    "small lists of numbers": ({"allOf": [{"items": {"enum": [0.5, 0.25]}}] * 100}, [0.25] * 3_900),
    "lists": ({"enum": [[0.1] * 2_000 + [n] for n in range(10)]}, [0.1] * 2_000 + [9]),
    "data of large exponents": ({"allOf": [{"items": {"const": 0.5}}] * 100}, [1e300] * 600),
    "tiny data": ({"allOf": [{"items": {"minimum": 0.5}}] * 100}, [1e-300] * 600),
}


@pytest.mark.parametrize(("schema", "data"), NUMBERS.values(), ids=NUMBERS)
def test_numbers_that_are_compared_slowly_are_counted(schema: dict[str, Any], data: Any) -> None:
    compiled = DataSchema(schema)
    size = len(encode(data))
    if not compiled.too_complex(data, size):
        takes_at_most(0.5, lambda: compiled.accepts(data, size))


def nested_branches(levels: int) -> DataSchema:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"anyOf": [schema]}
    return DataSchema({"items": schema})


@pytest.mark.parametrize(("levels", "items"), [(124, 118), (60, 240), (30, 380)])
def test_errors_of_nested_branches_are_listed_in_small_data_alone(levels: int, items: int) -> None:
    schema = nested_branches(levels)
    (only,) = schema.errors([1] * items, 2 * items + 1)
    assert only.keyword == "schema"
    assert [error.path for error in nested_branches(5).errors([1] * 3, 7)] == [(0,), (1,), (2,)]


def test_names_of_properties_stand_apart() -> None:
    schema = DataSchema({"required": ["a"], "additionalProperties": False, "properties": {"a": True}})
    told = {error.keyword: error.names for error in schema.errors({"b": 1, "c": 2}, 13)}
    assert told["required"] == ("a",)
    assert schema.errors({"a": 1}, 7) == []


def test_the_schemas_own_name_lends_it_nothing() -> None:
    """With the name of a published draft, `$ref` would otherwise lead into that draft."""
    schema = DataSchema(
        {
            "$id": "https://json-schema.org/draft/2020-12/schema",
            "$ref": "#/$defs/anchorString",
            "$defs": {"anchorString": {"const": "mine"}},
        }
    )
    assert schema.accepts("mine", 6)
    assert not schema.accepts("_other", 8)


@pytest.mark.parametrize(
    ("draft", "checked"),
    [
        ("http://json-schema.org/draft-07/schema#", True),
        ("https://json-schema.org/draft/2020-12/schema", False),
    ],
)
def test_formats_are_checked_where_the_draft_says_so(draft: str, checked: bool) -> None:
    schema = DataSchema({"$schema": draft, "format": "email"})
    assert schema.accepts("nobody", 8) is not checked
    assert DataSchema({"$schema": draft, "format": "of my own"}).accepts("anything", 8)
