"""What the directory takes for an address, a language, a zone, a schema; and how it keeps them."""

from typing import Any

import pytest
from pydantic_core import PydanticCustomError

from tocsin.router.api import fields
from tocsin.router.api.slashes import EncodedSlashes, with_slashes
from tocsin.router.preference_store import Switch, takes_away
from tocsin.router.trial_child.programs import PROGRAMS


@pytest.mark.parametrize("value", ["a\x00", {"a\x00": 1}, [{"b": ["\ud800"]}], {"a": [{"b": "\udfff"}]}])
def test_json_that_postgresql_cannot_hold_is_found_at_any_depth(value: Any) -> None:
    with pytest.raises(PydanticCustomError):
        fields.storable(value)


def test_other_json_is_passed_on() -> None:
    value = {"a": [1, None, True, {"b": "ü😀\n"}], "c": 1.5}
    assert fields.storable(value) == value


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ({"type": "strin"}, ["type"]),
        ({"properties": {"a": {"minLength": -1}}}, ["properties", "a", "minLength"]),
        ({"$ref": "file:///etc/passwd"}, ["$ref"]),
        ({"pattern": r"\p{" * 7_000}, ["pattern"]),
    ],
)
def test_a_schema_is_judged_in_the_child_alone(schema: dict[str, Any], path: list[str | int]) -> None:
    assert fields.data_schema(schema) == schema
    refused = PROGRAMS["try_schema"](data_schema=schema)
    assert refused is not None
    assert refused[0] == path


def test_schemas_stand_alone() -> None:
    inside = {"$defs": {"id": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/id"}}}
    assert PROGRAMS["try_schema"](data_schema=inside) is None


def test_a_schema_is_no_larger_than_256_kib() -> None:
    with pytest.raises(PydanticCustomError, match="32 KiB"):
        fields.data_schema({"pattern": "a" * 262_144})


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({}, {"s": True}, False),
        ({}, {"s": False}, True),
        ({"s": True}, {}, True),
        ({"s": True}, {"s": False}, True),
        ({"s": False}, {}, False),
        ({"s": False}, {"s": True}, False),
        ({"s": False, "t": True}, {"s": True, "t": False}, True),
        ({"s": True}, {"s": True}, False),
    ],
)
def test_what_takes_away(old: dict[str, bool], new: dict[str, bool], expected: bool) -> None:
    def switches(plain: dict[str, bool]) -> dict[Switch, bool]:
        return {Switch(category=name): on for name, on in plain.items()}

    assert takes_away(switches(old), switches(new)) is expected


async def test_encoded_slashes_are_no_separators() -> None:
    seen: list[str] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope["path"])

    whole: Any = EncodedSlashes(app)
    for raw in (b"/v1/recipients/a%2Fb%2fc/devices", b"/v1/a%252Fb%2Fc", b"/v1/x"):
        await whole({"type": "http", "path": "unset", "raw_path": raw}, None, None)
    assert [with_slashes(path) for path in seen[:1]] == ["/v1/recipients/a/b/c/devices"]
    assert seen[0].count("/") == 4
    assert [with_slashes(path) for path in seen[1:]] == ["/v1/a%2Fb/c", "unset"]
