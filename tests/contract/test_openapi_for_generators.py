"""What generators of clients need of every operation of every service."""

from typing import Any

import pytest

from tocsin.specifications.openapi import merged_openapi, service_openapi

DOCUMENT = merged_openapi(service_openapi())
OPERATIONS = [
    (f"{method.upper()} {path}", path, operation)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
]
each_operation = pytest.mark.parametrize(
    ("path", "operation"), [one[1:] for one in OPERATIONS], ids=[one[0] for one in OPERATIONS]
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


def test_there_is_a_server() -> None:
    (server,) = DOCUMENT["servers"]
    assert server["variables"]["entry"]["default"].startswith("http")


@each_operation
def test_it_says_what_it_does_and_where_it_belongs(path: str, operation: dict[str, Any]) -> None:
    assert operation["summary"], path
    (tag,) = operation["tags"]
    assert tag[0].isupper()


@each_operation
def test_every_name_in_the_path_has_a_form(path: str, operation: dict[str, Any]) -> None:
    named = {part[1:-1] for part in path.split("/") if part.startswith("{")}
    parameters = [one for one in operation.get("parameters", ()) if one["in"] == "path"]
    assert {one["name"] for one in parameters} == named
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


def members(name: str) -> list[dict[str, Any]]:
    """Every schema of a string of this name, in every component."""
    found = [
        schema["properties"][name]
        for schema in DOCUMENT["components"]["schemas"].values()
        if name in schema.get("properties", {})
    ]
    return [
        one for member in found for one in (member, *member.get("anyOf", ())) if one.get("type") == "string"
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
    ],
)
def test_a_name_has_one_form_everywhere(name: str, form: dict[str, str]) -> None:
    found = members(name)
    assert found
    assert all(form.items() <= one.items() for one in found)
