"""The OpenAPI document ingest gives of itself, without broker."""

from typing import TYPE_CHECKING

from openapi_spec_validator import validate
from prometheus_client import generate_latest

from tocsin.ingest import create_app

if TYPE_CHECKING:
    from tests.unit.ingest.conftest import WayIn


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


async def test_what_passes_fastapi_by_is_named_and_answered_as_elsewhere(way_in: "WayIn") -> None:
    body = {"workflow": "order-shipped", "recipients": ["ann"], "data": {"order": "A"}}
    answer = await way_in.post("/v1/notifications", body, x_request_id="request-17")
    assert (answer.status_code, answer.headers["x-request-id"]) == (202, "request-17")
    wrong = await way_in.client.get("/v1/notifications")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
    assert (await way_in.client.post("/v1/notifications/")).json()["code"] == "not_found"
    assert b'component="ingest",method="POST",route="/v1/notifications",status="202"' in generate_latest()
