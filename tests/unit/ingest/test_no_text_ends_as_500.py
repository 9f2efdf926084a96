"""No text in any field is more than ingest can answer, and no unknown field or parameter is swallowed."""

from tests.every_route import calls
from tests.unit.ingest.conftest import WayIn, record_of

from tocsin.contracts.directory import TenantRecord
from tocsin.ingest.app import create_app


async def test_no_text_ends_as_a_server_error(way_in: WayIn) -> None:
    sent = 0
    for call in calls(create_app()):
        answer = await way_in.post(call.url, call.body or b"", content_type="application/json")
        assert answer.status_code < 500, call
        sent += 1
    assert sent > 50


async def test_an_unknown_parameter_is_refused_on_the_hot_path(way_in: WayIn) -> None:
    body = {"workflow": "login-code", "recipients": ["ann"]}
    answer = await way_in.post("/v1/notifications?dry_run=true", body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "query:dry_run")
    assert way_in.publisher.records == []


async def test_an_unknown_field_is_refused_with_the_nearest_known(way_in: WayIn) -> None:
    body = {"workflow": "login-code", "recipients": ["ann", {"id": "bob", "emial": "b@c.example"}], "dta": {}}
    answer = await way_in.post("/v1/notifications", body)
    assert {(fault["pointer"], fault["code"], fault["detail"]) for fault in answer.json()["errors"]} == {
        ("/recipients/1/emial", "field_unknown", "Unknown field. Did you mean `email`?"),
        ("/dta", "field_unknown", "Unknown field. Did you mean `data`?"),
    }


async def test_an_id_that_is_an_address_is_refused_unless_the_tenant_says_otherwise(way_in: WayIn) -> None:
    body = {"workflow": "login-code", "recipients": ["ada@example.com", {"id": "+4915112345678"}]}
    answer = await way_in.post("/v1/notifications", body)
    assert {(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]} == {
        ("/recipients/0", "recipient_is_address"),
        ("/recipients/1/id", "recipient_is_address"),
    }
    way_in.directory.apply(record_of(TenantRecord(tenant="acme", address_like_ids=True)))
    assert (await way_in.post("/v1/notifications", body)).status_code == 202
    way_in.directory.apply(record_of(TenantRecord(tenant="acme")))
    assert (await way_in.post("/v1/notifications", body)).status_code == 422
