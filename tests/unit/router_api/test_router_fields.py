"""What the directory takes for an address, a language, a zone, a schema; and how it keeps them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from tocsin.router.api import fields
from tocsin.router.api.preference_store import Switch, takes_away
from tocsin.router.api.slashes import EncodedSlashes, with_slashes


@pytest.mark.parametrize(
    "address", ["a@b", "ada.l+x@example.com", "x@xn--bcher-kva.example", "O'Neil@mail.example.co"]
)
def test_mail_addresses_are_kept_as_given(address: str) -> None:
    assert fields.email(address) == address


@pytest.mark.parametrize(
    "address",
    ["", "a", "@b.c", "a@", "a@b..c", "a.@b.c", ".a@b.c", "a@-b.c", "a@b c", "a@b\n", "ä@b.c", "a@bücher.de", "<a@b.c>", "a@b.c,d@e.f", "x" * 65 + "@b.c"],
)  # fmt: skip
def test_what_is_no_mail_address(address: str) -> None:
    with pytest.raises(PydanticCustomError):
        fields.email(address)


@given(st.text(max_size=40))
def test_a_mail_address_never_breaks_a_header(text: str) -> None:
    try:
        kept = fields.email(f"a@{text}")
    except PydanticCustomError:
        return
    assert not set(kept) & set('\r\n\0 <>,;:"()')


@pytest.mark.parametrize(
    ("given", "kept"),
    [("+493012345678", "+493012345678"), ("+1 (500) 555-0006", "+15005550006"), ("+44 20 7946 0018", "+442079460018")],
)  # fmt: skip
def test_phone_numbers_are_kept_in_e164(given: str, kept: str) -> None:
    assert fields.phone(given) == kept


@pytest.mark.parametrize("number", ["", "12345", "+", "+999123", "call me", "030 1234567"])
def test_what_is_no_phone_number(number: str) -> None:
    with pytest.raises(PydanticCustomError):
        fields.phone(number)


@pytest.mark.parametrize(
    ("given", "kept"),
    [("de", "de"), ("DE_at", "de-AT"), ("pt-br", "pt-BR"), ("zh-hant-tw", "zh-Hant-TW")],
)
def test_languages_are_kept_in_their_usual_capitals(given: str, kept: str) -> None:
    assert fields.locale(given) == kept


@pytest.mark.parametrize("tag", ["", "-", "xx", "de-", "english", "C", "../etc"])
def test_what_is_no_language(tag: str) -> None:
    with pytest.raises(PydanticCustomError):
        fields.locale(tag)


def test_time_zones_are_those_of_iana() -> None:
    assert fields.time_zone("Europe/Berlin") == "Europe/Berlin"
    assert fields.time_zone("UTC") == "UTC"
    for name in ("", "Berlin", "../../etc/passwd", "europe/berlin"):
        with pytest.raises(PydanticCustomError):
            fields.time_zone(name)


@pytest.mark.parametrize("value", ["a\x00", {"a\x00": 1}, [{"b": ["\ud800"]}], {"a": [{"b": "\udfff"}]}])
def test_json_that_postgresql_cannot_hold_is_found_at_any_depth(value: Any) -> None:
    with pytest.raises(PydanticCustomError):
        fields.storable(value)


def test_other_json_is_passed_on() -> None:
    value = {"a": [1, None, True, {"b": "ü😀\n"}], "c": 1.5}
    assert fields.storable(value) == value


@pytest.mark.parametrize(
    ("schema", "where"), [({"type": "strin"}, "/type"), ({"properties": {"a": {"minLength": -1}}}, "/properties/a/minLength")]
)  # fmt: skip
def test_the_place_of_a_schemas_fault_is_named(schema: dict[str, Any], where: str) -> None:
    with pytest.raises(PydanticCustomError, match=where):
        fields.data_schema(schema)


def test_schemas_stand_alone() -> None:
    inside = {"$defs": {"id": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/id"}}}
    assert fields.data_schema(inside) == inside
    with pytest.raises(PydanticCustomError):
        fields.data_schema({"$ref": "file:///etc/passwd"})


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
