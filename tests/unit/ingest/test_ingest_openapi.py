"""The OpenAPI document ingest gives of itself, without broker."""

from openapi_spec_validator import validate

from tocsin.ingest import create_app


def test_the_document_is_valid_and_names_bodies_and_scopes() -> None:
    document = create_app().openapi()
    validate(document)
    for path in ("/v1/notifications", "/v1/events"):
        operation = document["paths"][path]["post"]
        assert operation["security"] == [{"apiKey": ["send"]}]
        assert operation["requestBody"]["required"] is True
    assert {"NotificationBody", "CloudEventBody", "InlineRecipientBody"} <= document["components"][
        "schemas"
    ].keys()
