"""One table of values over the four ways in: inline over HTTP, stored, over Kafka, and by a workflow's expression.

Each has the same answer for a value: its canonical form, or the code it is refused under.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import msgspec
import pytest
from tests.unit.ingest.conftest import WayIn, way_in
from tests.unit.router_worker.conftest import Worker, Written, workflow
from tests.value_cases import (
    CHAT_ADDRESSES,
    DEVICE_TOKENS,
    EMAILS,
    LOCALES,
    PHONES,
    RECIPIENT_IDS,
    TIME_ZONES,
)

from tocsin.contracts.codec import encode
from tocsin.contracts.directory import CategoryRecord, TenantRecord
from tocsin.contracts.vocabulary import Lane, Reason

__all__ = ["way_in"]

pytestmark = pytest.mark.postgres

Way = Callable[[dict[str, Any]], Awaitable[dict[str, Any] | str]]
"""Takes a recipient; gives it back as a record holds it, or the code of the refusal."""
TABLES: dict[str, tuple[dict[str, str | None], str]] = {
    "email": (EMAILS, "email_invalid"),
    "phone": (PHONES, "phone_invalid"),
    "locale": (LOCALES, "locale_invalid"),
    "time_zone": (TIME_ZONES, "time_zone_unknown"),
}


@pytest.fixture
def worker() -> Worker:
    """Of a tenant with a workflow, and one that finds its recipients by an expression."""
    made = Worker()
    made.publish(
        TenantRecord(tenant="acme"),
        CategoryRecord(tenant="acme", key="orders"),
        workflow(data_schema=None),
        workflow(key="by-name", event_types=["com.shop.named"], recipients="data.who", data_schema=None),
    )
    return made


def outcome(written: Written) -> dict[str, Any] | str:
    """The recipient of the intent that was written, or the reason of the dead letter."""
    dead = written.dead()
    if dead:
        return dead[0]["tocsin_dead_reason"]
    intents = [*written.intents(Lane.CRITICAL), *written.intents(Lane.TRANSACTIONAL)]
    if not intents:  # decided at once: it lay in the recipient's partition
        return {"id": written.statuses()[0].recipient}
    inline = intents[0].private.inline
    return dict(msgspec.to_builtins(inline)) if inline else {"id": intents[0].recipient}


def code_of(answer: httpx.Response) -> str:
    (fault,) = answer.json()["errors"]
    return str(fault["code"])


@pytest.fixture
async def ways(worker: Worker, way_in: WayIn, acme: httpx.AsyncClient) -> dict[str, Way]:
    way_in.publish_workflow("shipped")
    sent = 0

    async def kafka(recipient: Any) -> dict[str, Any] | str:
        nonlocal sent
        sent += 1
        return outcome(await worker.route(worker.request(recipient, event_id=f"k{sent}")))

    async def expression(recipient: Any) -> dict[str, Any] | str:
        nonlocal sent
        sent += 1
        data = msgspec.Raw(encode({"who": recipient}))
        event = worker.event(id=f"x{sent}", type="com.shop.named", subject=None, data=data, key=b"any")
        return outcome(await worker.route(event))

    async def inline(recipient: Any) -> dict[str, Any] | str:
        body = {"workflow": "shipped", "recipients": [recipient]}
        answer = await way_in.post("/v1/notifications", body)
        if answer.status_code != 202:
            return code_of(answer)
        stored = way_in.publisher.records.pop()
        record = worker.record(worker.topics.events(worker.lane), b"any", stored.value, stored.headers)
        return outcome(await worker.route(record))

    async def stored(recipient: Any) -> dict[str, Any] | str:
        given: dict[str, Any] = {"id": recipient} if isinstance(recipient, str) else dict(recipient)
        devices = given.pop("devices", [])
        answer = await acme.post("/v1/recipients/bulk", json={"recipients": [given]})
        (result,) = answer.json()["items"]
        if result["errors"]:
            return str(result["errors"][0]["code"])
        for device in devices:
            answer = await acme.put(
                f"/v1/recipients/{given['id']}/devices/{device['id']}", json={"token": device["token"]}
            )
            if answer.status_code >= 400:
                return code_of(answer)
        kept = (await acme.get("/v1/recipients", params={"limit": 1})).json()["data"][0]
        return {
            name: [{k: d[k] for k in ("id", "token")} for d in kept[name]]
            if name == "devices"
            else kept[name]
            for name in ["id", *([] if isinstance(recipient, str) else recipient)]
        }

    return {"inline": inline, "stored": stored, "kafka": kafka, "expression": expression}


@pytest.mark.parametrize("field", TABLES)
async def test_every_way_in_has_the_same_answer(ways: dict[str, Way], field: str) -> None:
    table, code = TABLES[field]
    for value, canonical in table.items():
        expected = code if canonical is None else {"id": "user-17", field: canonical}
        answers = {name: await way({"id": "user-17", field: value}) for name, way in ways.items()}
        assert answers == dict.fromkeys(ways, expected), repr(value)


async def test_every_way_in_has_the_same_answer_for_a_device_token(ways: dict[str, Way]) -> None:
    for token, canonical in DEVICE_TOKENS.items():
        given = {"id": "user-17", "devices": [{"id": "phone", "token": token}]}
        expected = "device_invalid" if canonical is None else given
        answers = {name: await way(given) for name, way in ways.items()}
        assert answers == dict.fromkeys(ways, expected), repr(token)


async def test_every_way_in_has_the_same_answer_for_a_place_in_a_chat(ways: dict[str, Way]) -> None:
    for kind, addresses in CHAT_ADDRESSES.items():
        for address, taken in addresses.items():
            given = {"id": "user-17", "chats": [{"id": "team", "kind": kind, "address": address}]}
            expected = given if taken else "chat_invalid"
            answers = {name: await way(given) for name, way in ways.items()}
            assert answers == dict.fromkeys(ways, expected), repr(address)


@pytest.mark.parametrize("inline", [False, True])
async def test_every_way_in_has_the_same_answer_for_an_id(
    ways: dict[str, Way], acme: httpx.AsyncClient, inline: bool
) -> None:
    for value, code in RECIPIENT_IDS.items():
        given: Any = {"id": value, "time_zone": "UTC"} if inline else value
        expected = code or value
        answers = {name: await way(given) for name, way in ways.items()}
        ids = {name: answer if isinstance(answer, str) else answer["id"] for name, answer in answers.items()}
        assert ids == dict.fromkeys(ways, expected), repr(value)
        for kept in (await acme.get("/v1/recipients")).json()["data"]:
            # The list begins with the id that comes next.
            (await acme.delete(f"/v1/recipients/{kept['id'].replace('/', '%2F')}")).raise_for_status()


def test_every_code_is_a_reason_of_dead_letters() -> None:
    codes = {code for _, code in TABLES.values()} | {code for code in RECIPIENT_IDS.values() if code}
    assert codes | {"device_invalid"} <= set(Reason)
