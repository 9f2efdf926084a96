"""Attributes that are nearly called as ours: refused in every mode, with the name that was meant; strangers' attributes pass."""

import msgspec
import pytest
from tests.unit.contracts.test_reading_cloudevents import KNOWN, structured

from tocsin.contracts.cloudevents import EventInvalid, read_http_binary, read_kafka
from tocsin.contracts.events import Event
from tocsin.contracts.vocabulary import Reason

LATER = "2030-01-01T00:00:00Z"
IN_ANY_MODE = [
    ("send_at", "sendat"),
    ("send-at", "sendat"),
    ("send.at", "sendat"),
    ("cancel_key", "cancelkey"),
    ("cancel-key", "cancelkey"),
    ("idempotency_key", "id"),
    ("idempotency-key", "id"),
    ("idempotencykey", "id"),
    ("de_lay", "delay"),
    ("ten-ant", "tenant"),
]
IN_CAPITALS = [("sendAt", "sendat"), ("cancelKey", "cancelkey"), ("Delay", "delay"), ("TEST", "test")]
STRANGERS = [
    "sentat",
    "partitionkey",
    "sampledrate",
    "dataref",
    "sender",
    "test1",
    "relay",
    "send_it",
    "tenant_name",
]


def kafka(**more: str) -> Event:
    headers = {f"ce_{name}": text for name, text in KNOWN.items()} | more
    return read_kafka([(name, text.encode()) for name, text in headers.items()], b"{}")


def http(**more: str) -> Event:
    return read_http_binary({f"ce-{name}": text for name, text in KNOWN.items()} | more, b"{}")


def refusal(read: object) -> tuple[Reason, str, str]:
    with pytest.raises(EventInvalid) as refused:
        read()  # type: ignore[operator]
    (fault,) = refused.value.faults
    return fault.reason, fault.pointer, fault.detail


@pytest.mark.parametrize(("name", "meant"), IN_ANY_MODE)
def test_a_near_miss_is_refused_in_every_mode(name: str, meant: str) -> None:
    expected = (
        Reason.ATTRIBUTE_UNKNOWN,
        f"/{name}",
        f"Tocsin knows no attribute `{name}`. Did you mean `{meant}`?",
    )
    for read in (
        lambda: kafka(**{f"ce_{name}": LATER}),
        lambda: http(**{f"ce-{name}": LATER}),
        lambda: structured(**{name: LATER}),
    ):
        assert refusal(read) == expected


@pytest.mark.parametrize(("name", "meant"), IN_CAPITALS)
def test_capitals_are_a_near_miss_in_json_and_headers_know_no_case(name: str, meant: str) -> None:
    reason, pointer, detail = refusal(lambda: structured(**{name: LATER}))
    assert (reason, pointer) == (Reason.ATTRIBUTE_UNKNOWN, f"/{name}")
    assert detail.endswith(f"Did you mean `{meant}`?")
    assert kafka(ce_sendAt=LATER).send_at == http(**{"ce-sendAt": LATER}).send_at is not None


def test_the_prefix_of_the_other_binding_is_a_near_miss() -> None:
    for written in ("ce-sendat", "ce-send_at"):
        assert refusal(lambda written=written: kafka(**{written: LATER}))[1:] == (
            "/sendat",
            "Attributes begin with `ce_` here, and not with `ce-`. Did you mean `ce_sendat`?",
        )
    assert refusal(lambda: http(ce_sendat=LATER))[1:] == (
        "/sendat",
        "Attributes begin with `ce-` here, and not with `ce_`. Did you mean `ce-sendat`?",
    )
    both = kafka(
        **{"ce-tenant": "acme", "ce-id": "e1"}
    )  # what a bridge from HTTP leaves beside the right ones
    assert both.tenant == "acme"


@pytest.mark.parametrize("name", STRANGERS)
def test_a_strangers_attribute_is_ignored(name: str) -> None:
    for event in (kafka(**{f"ce_{name}": "x"}), http(**{f"ce-{name}": "x"}), structured(**{name: "x"})):
        assert event.id == "e1"
    assert kafka(sendat=LATER, delay="5").send_at is None  # headers of somebody else's


def test_every_fault_is_told_at_once_and_nothing_long_is_repeated() -> None:
    with pytest.raises(EventInvalid) as refused:
        structured(send_at=LATER, cancel_key="k", id="")
    assert {fault.pointer for fault in refused.value.faults} == {"/send_at", "/cancel_key", "/id"}
    assert structured(**{"send" + "_" * 100 + "at": LATER}).id == "e1"
    assert msgspec.json.encode(KNOWN)
