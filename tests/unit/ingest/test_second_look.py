"""What ingest does not know yet it waits for, once a request, before it refuses."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import REGISTRY
from tests.unit.ingest.conftest import record_of

from tocsin.contracts.cloudevents import BATCH, STRUCTURED
from tocsin.contracts.directory import ApiKeyRecord, TenantRecord
from tocsin.programs import DataSchema
from tocsin.web.keys import new_key

if TYPE_CHECKING:
    from tests.unit.ingest.conftest import WayIn

REQUEST: dict[str, Any] = {"workflow": "new", "recipients": ["ann"], "data": {}}


@pytest.fixture
def arrives(way_in: "WayIn") -> Callable[[Callable[[], None]], None]:
    """Says what the copy of the directory holds once somebody has waited for it."""

    def set_arrival(arrive: Callable[[], None]) -> None:
        way_in.copy.arrive = arrive

    return set_arrival


@pytest.mark.parametrize("path", ["/v1/notifications", "/v1/events"])
async def test_a_workflow_that_was_published_before_is_known(
    way_in: "WayIn", arrives: Any, path: str
) -> None:
    arrives(lambda: way_in.publish_workflow("new"))
    if path == "/v1/notifications":
        answer = await way_in.post(path, REQUEST)
    else:
        event = {
            "specversion": "1.0", "id": "e1", "source": "/shop", "type": "tocsin.notification.requested.v1", "data": REQUEST,
        }  # fmt: skip
        answer = await way_in.post(path, event, content_type=STRUCTURED)
    assert (answer.status_code, way_in.copy.waits) == (202, 1)


async def test_data_that_a_new_schema_takes_are_taken(way_in: "WayIn", arrives: Any) -> None:
    body = {"workflow": "order-shipped", "recipients": ["ann"], "data": {"new": 1}}
    assert (await way_in.post("/v1/notifications", body)).json()["code"] == "invalid_data"
    arrives(lambda: way_in.publish_workflow("order-shipped", data_schema={"required": ["new"]}))
    assert (await way_in.post("/v1/notifications", body)).status_code == 202


@pytest.mark.parametrize("subject", [None, "ann@example.test"], ids=["request", "subject"])
async def test_ids_that_the_tenant_has_just_allowed_are_taken(
    way_in: "WayIn", arrives: Any, subject: str | None
) -> None:
    """Also where another change is new to the copy at the same time."""
    way_in.publish_workflow("shipped", event_types=["com.shop.shipped"])

    def arrive() -> None:
        way_in.directory.apply(record_of(TenantRecord(tenant="acme", address_like_ids=True)))
        way_in.publish_workflow("new")

    arrives(arrive)
    if subject is None:
        answer = await way_in.post("/v1/notifications", REQUEST | {"recipients": ["ann@example.test"]})
    else:
        event = {
            "specversion": "1.0", "id": "e1", "source": "/shop", "type": "com.shop.shipped", "subject": subject, "data": {},
        }  # fmt: skip
        answer = await way_in.post("/v1/events", event, content_type=STRUCTURED)
    assert (answer.status_code, way_in.copy.waits) == (202, 1)


async def test_a_key_that_was_made_before_works(way_in: "WayIn", arrives: Any) -> None:
    key = new_key("live")
    way_in.keys["new"] = key.reveal()
    record = ApiKeyRecord(tenant="acme", id=key.id, mode="live", sha256=key.sha256, scopes=["send"])
    arrives(lambda: way_in.directory.keys.put(record))
    answer = await way_in.post("/v1/notifications", REQUEST | {"workflow": "login-code"}, key="new")
    assert (answer.status_code, way_in.copy.waits) == (202, 1)


async def test_a_batch_waits_once(way_in: "WayIn", arrives: Any) -> None:
    arrives(lambda: way_in.publish_workflow("new"))
    events = [
        {"specversion": "1.0", "id": f"e{number}", "source": "/shop",
         "type": "tocsin.notification.requested.v1", "data": REQUEST | {"workflow": workflow}}
        for number, workflow in enumerate(["none", "new", "none", "none"])
    ]  # fmt: skip
    answer = await way_in.post("/v1/events", events, content_type=BATCH)
    assert answer.status_code == 207
    assert [item["status"] for item in answer.json()["items"]] == [422, 202, 422, 422]
    assert way_in.copy.waits == 1


async def test_what_is_truly_unknown_is_refused_after_the_wait(way_in: "WayIn") -> None:
    late = REGISTRY.get_sample_value("tocsin_directory_late_total", {"component": "ingest"}) or 0.0
    way_in.copy.in_time = False
    answer = await way_in.post("/v1/notifications", REQUEST)
    assert (answer.status_code, answer.json()["code"], way_in.copy.waits) == (422, "unknown_workflow", 1)
    assert REGISTRY.get_sample_value("tocsin_directory_late_total", {"component": "ingest"}) == late + 1


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ({"workflow": "login-code", "recipients": [], "data": {}}, "live"),
        (b"no JSON", "live"),
        (REQUEST | {"recipients": []}, "live"),
        (REQUEST, "reader"),
        (REQUEST, "wrong secret"),
        (REQUEST, "no key"),
    ],
)
async def test_what_no_change_can_mend_is_refused_at_once(way_in: "WayIn", body: Any, key: str) -> None:
    live = way_in.keys["live"]
    way_in.keys |= {"wrong secret": live[:-1] + ("a" if live[-1] != "a" else "b"), "no key": "nonsense"}
    answer = await way_in.post("/v1/notifications", body, key=key)
    assert answer.status_code in {400, 401, 403, 422}
    assert way_in.copy.waits == 0


async def test_where_nothing_was_new_the_data_are_not_judged_again(
    way_in: "WayIn", arrives: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[Any] = []
    accepts = DataSchema.accepts

    def counted(self: DataSchema, data: Any, size: int) -> bool:
        judged.append(data)
        return accepts(self, data, size)

    monkeypatch.setattr(DataSchema, "accepts", counted)
    body = {"workflow": "order-shipped", "recipients": ["ann"], "data": {"new": 1}}
    assert (await way_in.post("/v1/notifications", body)).json()["code"] == "invalid_data"
    assert (len(judged), way_in.copy.waits) == (1, 1)
    arrives(lambda: way_in.publish_workflow("another"))
    assert (await way_in.post("/v1/notifications", body)).json()["code"] == "invalid_data"
    assert len(judged) == 3
