"""What generators of clients need of every operation of every service."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from zoneinfo import available_timezones

import pytest
from tests.value_cases import LOCALES, PHONES, TIME_ZONES

from tocsin.specifications.openapi import merged_openapi, service_openapi

DOCUMENT = merged_openapi(service_openapi())
OPERATIONS = [
    (f"{method.upper()} {path}", path, operation)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
]
each_operation = pytest.mark.parametrize(
    ("path", "operation"),
    [operation[1:] for operation in OPERATIONS],
    ids=[operation[0] for operation in OPERATIONS],
)


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in schema:
        return schema
    found: dict[str, Any] = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return found


def test_every_operation_has_a_name_of_its_own() -> None:
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(set(names)) == len(names) > 40
    assert [name for name in names if not name.isidentifier() or name.lower() != name] == []


def test_there_is_a_server_and_a_licence() -> None:
    (server,) = DOCUMENT["servers"]
    assert server["variables"]["entry"]["default"].startswith("http")
    assert DOCUMENT["info"]["license"] == {"name": "Apache-2.0", "identifier": "Apache-2.0"}


@each_operation
def test_it_says_what_it_does_and_where_it_belongs(path: str, operation: dict[str, Any]) -> None:
    assert operation["summary"], path
    (tag,) = operation["tags"]
    assert tag[0].isupper()


@each_operation
def test_every_name_in_the_path_has_a_form(path: str, operation: dict[str, Any]) -> None:
    named = {part[1:-1] for part in path.split("/") if part.startswith("{")}
    parameters = [parameter for parameter in operation.get("parameters", ()) if parameter["in"] == "path"]
    assert {parameter["name"] for parameter in parameters} == named
    for parameter in parameters:
        schema = resolved(parameter["schema"])
        if schema["type"] == "string":
            assert {"pattern", "format", "enum"} & schema.keys(), parameter["name"]
        else:
            assert {"minimum", "maximum"} <= schema.keys(), parameter["name"]


@each_operation
def test_every_error_is_a_problem(path: str, operation: dict[str, Any]) -> None:
    errors = {code: answer for code, answer in operation["responses"].items() if not code.startswith("2")}
    assert "default" in errors, path
    for answer in errors.values():
        assert list(answer["content"]) == ["application/problem+json"]
        assert answer["content"]["application/problem+json"]["schema"] == {
            "$ref": "#/components/schemas/ProblemDetails"
        }


@each_operation
def test_every_answer_with_a_body_has_its_schema(path: str, operation: dict[str, Any]) -> None:
    for code, answer in operation["responses"].items():
        assert answer["description"]
        if code != "204":
            assert all("schema" in media for media in answer["content"].values()), path


def references(value: Any) -> Iterator[str]:
    """The components that something refers to."""
    if isinstance(value, Mapping):
        if "$ref" in value:
            yield value["$ref"].removeprefix("#/components/schemas/")
        value = list(value.values())
    for inner in value if isinstance(value, list) else ():
        yield from references(inner)


def sent() -> set[str]:
    """Components of bodies that callers send, and what these are made of."""
    waiting = list(references([operation.get("requestBody") for _, _, operation in OPERATIONS]))
    found = set[str]()
    while waiting:
        if (name := waiting.pop()) not in found:
            found.add(name)
            waiting += references(DOCUMENT["components"]["schemas"][name])
    return found


def test_every_component_is_referred_to() -> None:
    assert DOCUMENT["components"]["schemas"].keys() - set(references(DOCUMENT)) == set()


@pytest.mark.parametrize("name", ["scopes", "channels", "event_types"])
def test_a_list_of_different_values_says_so(name: str) -> None:
    schemas = (DOCUMENT["components"]["schemas"][component] for component in sent())
    named = [schema["properties"][name] for schema in schemas if name in schema.get("properties", {})]
    lists = [
        form for member in named for form in (member, *member.get("anyOf", ())) if form.get("type") == "array"
    ]
    assert lists
    assert all(listed["uniqueItems"] is True for listed in lists)


def members(name: str) -> list[dict[str, Any]]:
    """Every schema of a string of this name, in every component."""
    found = [
        schema["properties"][name]
        for schema in DOCUMENT["components"]["schemas"].values()
        if name in schema.get("properties", {})
    ]
    return [
        form
        for member in found
        for form in (member, *member.get("anyOf", ()))
        if form.get("type") == "string"
    ]


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("notification_id", {"format": "uuid"}),
        ("delivery_id", {"format": "uuid"}),
        ("status_id", {"format": "uuid"}),
        ("created_at", {"format": "date-time"}),
        ("updated_at", {"format": "date-time"}),
        ("expires_at", {"format": "date-time"}),
        ("time", {"format": "date-time"}),
        ("email", {"format": "idn-email"}),
    ],
)
def test_a_name_has_one_form_everywhere(name: str, form: dict[str, str]) -> None:
    found = members(name)
    assert found
    assert all(form.items() <= member.items() for member in found)


@pytest.mark.parametrize(
    ("name", "cases"),
    [
        ("phone", PHONES),
        ("locale", LOCALES),
        ("default_locale", LOCALES),
        ("time_zone", {name: name for name in available_timezones()} | TIME_ZONES),
    ],
)
def test_a_pattern_is_the_same_everywhere_and_lets_through_what_is_taken(
    name: str, cases: Mapping[str, str | None]
) -> None:
    (pattern,) = {form["pattern"] for form in members(name)}
    texts = {text for written, canonical in cases.items() if canonical for text in (written, canonical)}
    assert {text for text in texts if not re.search(pattern, text)} == set()


def test_a_cursor_has_the_form_in_which_it_was_given() -> None:
    given = {form["pattern"] for form in members("next_cursor")}
    parameters = [
        parameter
        for _, _, operation in OPERATIONS
        for parameter in operation.get("parameters", ())
        if parameter["name"] == "cursor"
    ]
    taken = {
        form["pattern"]
        for parameter in parameters
        for form in parameter["schema"]["anyOf"]
        if form["type"] == "string"
    }
    assert given == taken == {"^[A-Za-z0-9_-]+$"}
