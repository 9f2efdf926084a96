"""A change is answered with 200, 201 or 204 once it is published, else with 202 and `in_force: false`; never later, never as an error."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from tocsin.contracts.codec import decode_directory
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel
from tocsin.database import Database, DatabaseSettings, create_engine
from tocsin.kafka import KafkaSettings, read_to_end
from tocsin.router import in_force
from tocsin.router.api import create_app
from tocsin.router.api_role import api_role
from tocsin.router.changes import note_changed, noted_rows, raise_versions
from tocsin.router.in_force import Change, ChangesInForce
from tocsin.router.relay import Relay
from tocsin.router.settings import RouterSettings
from tocsin.router.tokens import UnsubscribeTokens, Unsubscription
from tocsin.router.trials import TrialProcess, Trials
from tocsin.runtime import NO_FAILPOINTS, Health, SystemClock
from tocsin.testing import ManualClock
from tocsin.testing.running import running
from tocsin.testing.until import until
from tocsin.web import KeyTable

from .conftest import FLOW, PUBLIC_URL, Directory, fill, published, state

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

LISTENER = "listener"
NOT_IN_FORCE = {"in_force": False}


@pytest.fixture
async def changes(database_url: str) -> AsyncIterator[ChangesInForce]:
    """What listens to the relay, over connections of its own."""
    made = create_engine(DatabaseSettings(url=SecretStr(database_url), pool_size=1), application=LISTENER)
    yield ChangesInForce(engine=made)
    await made.dispose()


@pytest.fixture
async def narrow(database_url: str) -> AsyncIterator[AsyncEngine]:
    """The API's pool: two connections for everybody."""
    made = create_engine(DatabaseSettings(url=SecretStr(database_url), pool_size=2), application="api")
    yield made
    await made.dispose()


@pytest.fixture
def app(
    *,
    engine: AsyncEngine,
    narrow: AsyncEngine,
    keys: KeyTable,
    clock: ManualClock,
    tokens: UnsubscribeTokens,
    changes: ChangesInForce,
    trial_process: TrialProcess,
) -> FastAPI:
    return create_app(
        engine=narrow,
        keys=keys,
        clock=clock,
        tokens=tokens,
        public_url=PUBLIC_URL,
        changes=changes,
        trials=Trials([trial_process]),
    )


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets how long a change waits: so long that only the relay ends it, or so short that the test need not wait."""

    def wait(seconds: float) -> None:
        monkeypatch.setattr(in_force, "PATIENCE", seconds)

    return wait


def waiting(changes: ChangesInForce) -> set[Change]:
    """What was saved and is not answered yet."""
    return {change for of_row in changes._by_row.values() for change in of_row if change.committed}


async def test_what_an_answer_says_is_in_the_topic(
    *,
    acme: httpx.AsyncClient,
    changes: ChangesInForce,
    relay: Relay,
    kafka: KafkaSettings,
    topics: Topics,
    patience: Callable[[float], None],
) -> None:
    patience(3600)
    template = "/v1/workflows/shipped/templates/sms/default/de"
    async with running(relay), running(changes):
        for path, body, status, key in (
            ("/v1/tenant", {"name": "Acme"}, 200, "tenant/acme"),
            ("/v1/categories/orders", {}, 201, "category/acme/orders"),
            ("/v1/workflows/shipped", FLOW, 201, "workflow/acme/shipped"),
            (template, {"parts": {"body": "Hallo"}, "publish": True}, 201, "template/acme/shipped/sms"),
        ):
            answer = await acme.put(path, json=body)
            assert (answer.status_code, "in_force" in answer.json()) == (status, False)
            assert any(name.startswith(key) for name in await state(kafka, topics.directory))
        made = await acme.post("/v1/api-keys", json={"scopes": ["send"]})
        assert (made.status_code, made.json()["key"][:8]) == (201, "tk_live_")
        key = f"api_key/acme/{made.json()['id']}"
        assert decode_directory((await state(kafka, topics.directory))[key])
        gone = await acme.delete(f"/v1/api-keys/{made.json()['id']}")
        assert (gone.status_code, gone.content) == (204, b"")
        assert key not in await state(kafka, topics.directory)


@pytest.mark.usefixtures("engine")
async def test_more_rows_than_a_statement_has_parameters_are_waited_for(
    changes: ChangesInForce, patience: Callable[[float], None]
) -> None:
    """The rows of an address that 40,000 recipients share. None is in the outbox: they were published while nobody listened."""
    patience(3600)
    async with running(changes):
        assert await changes.wait(changes.expect(range(1, 40_001)))


async def test_without_a_relay_the_answer_is_202_and_the_change_comes_into_force_later(
    *,
    acme: httpx.AsyncClient,
    changes: ChangesInForce,
    directory: Directory,
    relay: Relay,
    kafka: KafkaSettings,
    topics: Topics,
    patience: Callable[[float], None],
) -> None:
    patience(0.05)
    async with running(changes):
        saved = await acme.put("/v1/categories/orders", json={"name": "Orders"})
        assert (saved.status_code, saved.json()["name"], saved.json()["in_force"]) == (202, "Orders", False)
        assert saved.headers["etag"], "the other headers stay"
        made = await acme.post("/v1/api-keys", json={"scopes": ["send"]})
        assert (made.status_code, made.json()["key"][:8]) == (202, "tk_live_"), "it is shown only now"
        gone = await acme.delete(f"/v1/api-keys/{made.json()['id']}")
        assert (gone.status_code, gone.json()) == (202, NOT_IN_FORCE)
        read = await acme.get("/v1/categories/orders")
        assert (read.status_code, "in_force" in read.json()) == (200, False)
    async with running(relay):
        await published(directory)
    assert set(await state(kafka, topics.directory)) == {"category/acme/orders"}


async def test_the_unsubscribe_page_is_shown_either_way(
    acme: httpx.AsyncClient,
    tokens: UnsubscribeTokens,
    directory: Directory,
    patience: Callable[[float], None],
) -> None:
    patience(0.05)
    await acme.put("/v1/categories/news", json={})
    unsubscription = Unsubscription(tenant="acme", recipient="ann", category="news", channel=Channel.EMAIL)
    answer = await acme.post(f"/u/{tokens.sign(unsubscription)}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert await directory.version("ann") == 1


async def test_what_changes_nothing_is_answered_at_once(
    acme: httpx.AsyncClient, patience: Callable[[float], None]
) -> None:
    patience(3600)
    assert (await acme.put("/v1/recipients/ann", json={"email": "a@example.com"})).status_code == 201
    assert (await acme.delete("/v1/categories/none")).status_code == 404


async def test_a_repeat_waits_for_the_change_that_it_repeats(
    *,
    acme: httpx.AsyncClient,
    changes: ChangesInForce,
    relay: Relay,
    kafka: KafkaSettings,
    topics: Topics,
    patience: Callable[[float], None],
) -> None:
    """Whoever got 202 and repeats until 200 may send then."""
    steps: list[tuple[str, dict[str, Any]]] = [
        ("/v1/tenant", {"name": "Acme"}),
        ("/v1/categories/orders", {}),
        ("/v1/workflows/shipped", FLOW),
        ("/v1/workflows/shipped/templates/sms/default/de", {"parts": {"body": "Hallo"}, "publish": True}),
    ]
    patience(0.05)
    async with running(changes):
        for _ in range(2):
            assert [(await acme.put(path, json=body)).status_code for path, body in steps] == [202] * 4
        patience(3600)
        repeats: list[asyncio.Task[httpx.Response]] = []
        for path, body in steps * 2:  # a tenant has one trial at a time
            repeats.append(asyncio.create_task(acme.put(path, json=body)))
            await until(lambda: len(waiting(changes)) == len(repeats))
        async with running(relay):
            answers = await asyncio.gather(*repeats)
            assert {answer.status_code for answer in answers} == {200}
            assert len(await state(kafka, topics.directory)) == 4
            assert [(await acme.put(path, json=body)).status_code for path, body in steps] == [200] * 4


async def test_a_device_that_is_saved_again_waits_for_its_change(
    *, acme: httpx.AsyncClient, changes: ChangesInForce, relay: Relay, patience: Callable[[float], None]
) -> None:
    path = "/v1/recipients/ann/devices/phone"
    patience(0.05)
    async with running(changes):
        assert (await acme.put("/v1/recipients/ann", json={})).status_code == 201
        assert (await acme.put(path, json={"token": "first"})).status_code == 201
        assert (await acme.put(path, json={"token": "second"})).status_code == 202
        assert (await acme.put(path, json={"token": "second"})).status_code == 202
        patience(3600)
        async with running(relay):
            assert (await acme.put(path, json={"token": "second"})).status_code == 200


async def test_an_import_does_not_wait_and_goes_behind_single_changes(
    *,
    acme: httpx.AsyncClient,
    engine: AsyncEngine,
    relay: Relay,
    directory: Directory,
    kafka: KafkaSettings,
    topics: Topics,
    patience: Callable[[float], None],
) -> None:
    patience(3600)
    people = [{"id": f"r{number}", "email": "a@example.com"} for number in range(300)]
    await acme.post("/v1/recipients/bulk", json={"recipients": people})
    without = [{"id": person["id"]} for person in people]
    answer = await acme.post("/v1/recipients/bulk", json={"recipients": without})
    assert (answer.status_code, answer.json()["items"][0]["result"]) == (200, "updated")
    async with engine.begin() as db:
        await raise_versions(db, "acme", ["single"])
    async with running(relay):
        await published(directory)
    order = [
        record.key
        async for records in read_to_end(settings=kafka, topic=topics.stops, deadline=30)
        for record in records
    ]
    assert (order[0], len(order)) == (b"acme/single", 301)


async def test_a_hundred_changes_that_wait_hold_no_connection(
    *,
    acme: httpx.AsyncClient,
    changes: ChangesInForce,
    directory: Directory,
    relay: Relay,
    patience: Callable[[float], None],
) -> None:
    """The API's pool has two connections."""
    patience(3600)
    saving = [asyncio.create_task(acme.put(f"/v1/categories/c{number}", json={})) for number in range(100)]

    async def all_are_saved() -> bool:
        return await directory.rows("SELECT count(*) FROM directory.outbox") == [(100,)]

    await until(all_are_saved)
    assert not any(task.done() for task in saving)
    assert (await acme.get("/v1/categories")).status_code == 200
    async with running(relay), running(changes):
        answers = await asyncio.gather(*saving)
    assert {answer.status_code for answer in answers} == {201}


async def test_who_listens_no_more_listens_again(
    *,
    acme: httpx.AsyncClient,
    changes: ChangesInForce,
    directory: Directory,
    relay: Relay,
    patience: Callable[[float], None],
) -> None:
    patience(3600)
    of_the_listener = (
        f"FROM pg_stat_activity WHERE application_name = 'tocsin {LISTENER}' AND datname = current_database()"
    )

    async def listening() -> bool:
        return bool(await directory.rows(f"SELECT 1 {of_the_listener}"))

    async with running(relay), running(changes):
        for number in range(3):
            await until(listening)
            assert await directory.rows(f"SELECT pg_terminate_backend(pid) {of_the_listener}") == [(True,)]
            assert (await acme.put(f"/v1/categories/c{number}", json={})).status_code == 201


async def test_what_was_said_while_nobody_listened_is_found(
    engine: AsyncEngine, changes: ChangesInForce, directory: Directory, patience: Callable[[float], None]
) -> None:
    patience(3600)
    async with engine.begin() as db:
        rows = await noted_rows(db)
        await note_changed(db, "tenant", "acme")
        await note_changed(db, "tenant", "other")
        change = changes.expect(rows)
        uncommitted = changes.expect([2**40])
    answer = asyncio.create_task(changes.wait(change))
    await directory.changed()
    async with running(changes):
        assert await answer
    assert not uncommitted.answered.done(), "who has not committed is not looked for"


async def test_what_cannot_be_published_is_said_at_once(
    *,
    acme: httpx.AsyncClient,
    changes: ChangesInForce,
    relay: Relay,
    patience: Callable[[float], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    patience(3600)
    monkeypatch.setattr(relay, "_fits", lambda ref, _record: ref.kind != "category")
    async with running(relay), running(changes):
        assert (await acme.put("/v1/tenant", json={"name": "Acme"})).status_code == 200
        assert (await acme.put("/v1/categories/large", json={})).status_code == 202


async def test_a_change_that_is_rolled_back_is_not_waited_for(
    acme: httpx.AsyncClient, changes: ChangesInForce, patience: Callable[[float], None]
) -> None:
    patience(0.05)
    await fill(acme)
    patience(3600)
    twice = await acme.post("/v1/tenants", json={"id": "acme"})
    assert twice.status_code == 409
    assert changes._by_row == {}


async def test_who_gives_up_waiting_leaves_nothing_behind(
    acme: httpx.AsyncClient, changes: ChangesInForce, patience: Callable[[float], None]
) -> None:
    patience(3600)
    saving = asyncio.create_task(acme.put("/v1/categories/orders", json={}))
    await until(lambda: bool(waiting(changes)))
    saving.cancel()
    await asyncio.wait([saving])
    assert changes._by_row == {}
    assert (await acme.get("/v1/categories/orders")).status_code == 200


async def test_the_relay_publishes_while_requests_hold_every_connection_of_the_api(
    engine: AsyncEngine, database_url: str, kafka: KafkaSettings, directory: Directory
) -> None:
    settings: Any = RouterSettings(
        kafka=kafka,
        database=DatabaseSettings(url=SecretStr(database_url), pool_size=1),
        hash_keys=[SecretStr(f"h1:{'h' * 32}")],
    )
    health = Health(service="router")
    database = Database(settings=settings.database, service="router", check=health.check("database"))
    _, components = api_role(
        settings=settings, database=database, health=health, clock=SystemClock(), failpoints=NO_FAILPOINTS
    )
    relay = next(component for component in components if isinstance(component, Relay))
    async with database.engine.connect(), running(relay):
        async with engine.begin() as db:
            await note_changed(db, "tenant", "acme")
        await published(directory)
    for component in components:
        if component.name == "connections of the relay":
            await component.close()
    await database.engine.dispose()
