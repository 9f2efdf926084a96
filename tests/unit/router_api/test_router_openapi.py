"""The application describes itself without a database, and completely."""

from openapi_spec_validator import validate

from tocsin.router.api import create_app

DOCUMENT = create_app().openapi()
OPERATIONS = [
    (method, path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]


def test_the_document_is_valid() -> None:
    validate(DOCUMENT)


def test_every_operation_says_what_it_does_and_answers() -> None:
    for method, path, operation in OPERATIONS:
        where = f"{method} {path}"
        assert operation.get("description"), where
        assert operation["tags"], where
        assert "application/problem+json" in operation["responses"]["default"]["content"], where
        for status, answer in operation["responses"].items():
            if status.startswith("2") and status != "204":
                (content,) = answer["content"].values()
                assert content["schema"], where


def test_every_operation_but_the_recipients_own_needs_a_key() -> None:
    for method, path, operation in OPERATIONS:
        assert bool(operation.get("security")) != path.startswith("/u/"), f"{method} {path}"


def test_names_of_operations_are_unique() -> None:
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(set(names)) == len(names)


def test_only_the_routers_own_prefixes_are_served() -> None:
    foreign = (
        "/v1/notifications",
        "/v1/events",
        "/v1/cancellations",
        "/v1/timelines",
        "/v1/dead-letters",
        "/v1/redrives",
        "/v1/test-webhooks",
    )
    for path in DOCUMENT["paths"]:
        assert path.startswith(("/v1/", "/u/"))
        assert not path.startswith(foreign)


def test_a_change_may_be_answered_as_not_in_force_yet() -> None:
    """Imports, and what changes nothing, never are."""
    document = create_app().openapi()
    without = set()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            accepted = operation["responses"].get("202")
            if accepted is None:
                if method != "get":
                    without.add(operation["operationId"])
                continue
            assert method != "get", path
            schema = accepted["content"]["application/json"]["schema"]
            shared = {"$ref": "#/components/schemas/NotInForce"}
            if "204" in operation["responses"]:
                assert schema == shared
            else:
                known = operation["responses"].get("200") or operation["responses"]["201"]
                assert schema == {"allOf": [known["content"]["application/json"]["schema"], shared]}
    assert without == {
        "save_recipients",
        "preview_message",
        "unsubscribe",
        "import_suppressions",
        "find_suppressions",
    }
    assert document["components"]["schemas"]["NotInForce"]["properties"]["in_force"]["enum"] == [False]
