"""What docs/sending-later.md says of times and names that are refused over HTTP."""

from typing import Any

import pytest

from tocsin.contracts.cloudevents import STRUCTURED

from .conftest import WayIn

EVENT = {"specversion": "1.0", "id": "1", "source": "/s", "type": "com.shop.none", "data": {}}
BODY = {"workflow": "login-code", "recipients": ["ann"]}


async def fault_of(answer: Any) -> tuple[int, str, str]:
    [fault] = answer.json()["errors"]
    return answer.status_code, fault["pointer"], fault["code"]


async def test_a_name_that_is_nearly_ours_is_refused_in_both_modes(way_in: WayIn) -> None:
    envelope = EVENT | {"send_at": "2030-01-01T00:00:00Z"}
    structured = await way_in.post("/v1/events", envelope, content_type=STRUCTURED)
    assert await fault_of(structured) == (422, "/send_at", "attribute_unknown")
    assert "Did you mean `sendat`?" in structured.json()["detail"]
    headers = {f"ce-{name}": text for name, text in EVENT.items() if isinstance(text, str)}
    headers |= {"ce-send_at": "2030-01-01T00:00:00Z", "authorization": f"Bearer {way_in.keys['live']}"}
    headers["content-type"] = "application/json"
    binary = await way_in.client.post("/v1/events", content=b"{}", headers=headers)
    assert await fault_of(binary) == (422, "/send_at", "attribute_unknown")
    assert way_in.publisher.records == []


@pytest.mark.parametrize(
    ("given", "pointer", "code"),
    [
        ({"sendat": "2030-01-01T00:00:00"}, "/sendat", "attribute_invalid"),
        ({"delay": "soon"}, "/delay", "attribute_invalid"),
        ({"delay": -1}, "/delay", "send_time_invalid"),
        ({"delay": 365 * 86_400 + 1}, "/delay", "send_time_invalid"),
        ({"delay": 1, "sendat": "2030-01-01T00:00:00Z"}, "/delay", "send_time_invalid"),
        ({"sendat": "2130-01-01T00:00:00Z"}, "/sendat", "send_time_invalid"),
    ],
)
async def test_what_an_event_may_not_say(
    way_in: WayIn, given: dict[str, Any], pointer: str, code: str
) -> None:
    answer = await way_in.post("/v1/events", EVENT | given, content_type=STRUCTURED)
    assert await fault_of(answer) == (422, pointer, code)


@pytest.mark.parametrize(
    ("given", "pointer", "code"),
    [
        ({"send_at": "2030-01-01T00:00:00"}, "/send_at", "timezone_aware"),
        ({"delay": "5"}, "/delay", "int_type"),
        ({"delay": -1}, "/delay", "greater_than_equal"),
        ({"delay": 365 * 86_400 + 1}, "/delay", "less_than_equal"),
        ({"delay": 1, "send_at": "2030-01-01T00:00:00Z"}, "/delay", "send_time_invalid"),
        ({"send_at": "2130-01-01T00:00:00Z"}, "/send_at", "send_time_invalid"),
    ],
)
async def test_what_a_request_may_not_say(
    way_in: WayIn, given: dict[str, Any], pointer: str, code: str
) -> None:
    answer = await way_in.post("/v1/notifications", BODY | given)
    faults = {(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]}
    assert (answer.status_code, (pointer, code) in faults) == (422, True), faults
