"""`/v1/dead-letters` over a real PostgreSQL: who sees which records, how they are found, and that who follows misses none."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from tests.integration.ledger.conftest import START, LedgerDatabase

from tocsin.contracts.dead_letters import DeadLetter, truncate_to_fit
from tocsin.contracts.directory import ApiKeyRecord
from tocsin.kafka import ConsumerRecord
from tocsin.ledger import create_app, dead_letters
from tocsin.ledger.dead_letters import DeadLetterReader
from tocsin.testing.stage import HoldAt
from tocsin.web import KeyTable, new_key

pytestmark = pytest.mark.postgres

PATH = "/v1/dead-letters"
KEYS: dict[str, tuple[str, Any, list[Any]]] = {
    "acme": ("acme", "live", ["read"]),
    "acme manages": ("acme", "live", ["manage"]),
    "acme tests": ("acme", "test", ["read", "manage", "operate"]),
    "other": ("other", "live", ["read", "manage"]),
    "operator": ("ops", "live", ["read", "manage", "operate"]),
}


class DeadLetters:
    """Stores dead letters and asks for them."""

    def __init__(self, database: LedgerDatabase, log: Callable[..., Any], client: httpx.AsyncClient) -> None:
        self._database = database
        self._log = log
        self._logs: dict[str, Any] = {}
        self._next: dict[str, int] = {}
        self._client = client
        self.keys: dict[str, str] = {}

    def log(self, service: str) -> Any:
        return self._logs.setdefault(service, self._log(topic=f"tocsin.dead.{service}"))

    def record(self, value: bytes = b"{}", *, key: bytes = b"k", headers: Any = (), **about: Any) -> Any:
        given: dict[str, Any] = {
            "service": "router",
            "reason": "data_invalid",
            "detail": "Say what.",
            "tenant": "acme",
            "origin": "tocsin.events.bulk/0/1",
            "at": START,
        }
        letter = DeadLetter(**(given | about))
        kept = truncate_to_fit(letter, key=key, value=value, headers=headers, largest=4 * 1024 * 1024)
        return self.log(letter.service).record(kept.value, key=kept.key, headers=kept.headers)

    async def apply(self, *records: ConsumerRecord, **more: Any) -> None:
        service = records[0].topic.removeprefix("tocsin.dead.")
        batch = self.log(service).batch(*records, expected=self._next.get(service))
        await self._database.table("ledger.dead", **more).apply([batch])
        self._next[service] = batch.next

    async def store(self, **about: Any) -> None:
        await self.apply(self.record(**about))

    async def get(self, path: str = PATH, *, key: str = "acme", **query: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.keys[key]}"}
        return await self._client.get(path, params=query, headers=headers)

    async def found(self, **query: Any) -> list[str]:
        """The sentences of the letters found."""
        answer = await self.get(**query)
        assert answer.status_code == 200, answer.text
        return [letter["detail"] for letter in answer.json()["data"]]


@pytest.fixture
async def letters(ledger_database: LedgerDatabase, log: Any) -> AsyncIterator[DeadLetters]:
    table = KeyTable()
    reader = DeadLetterReader(engine=ledger_database.database.engine)
    app = create_app(reader=ledger_database.reader, dead_letters=reader, keys=table)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ledger") as client:
        letters = DeadLetters(ledger_database, log, client)
        for name, (tenant, mode, scopes) in KEYS.items():
            key = new_key(mode)
            letters.keys[name] = key.reveal()
            table.put(ApiKeyRecord(tenant=tenant, id=key.id, mode=mode, sha256=key.sha256, scopes=scopes))
        yield letters


async def until_it_waits(database: LedgerDatabase) -> None:
    """Until a transaction waits for the lock that numbers dead letters."""
    waits = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    while not await database.rows(waits):  # noqa: ASYNC110 - the condition lies in PostgreSQL
        await asyncio.sleep(0)


async def test_each_filter_finds_its_own(letters: DeadLetters) -> None:
    await letters.store(detail="1", event_source="/shop", event_id="e-1")
    await letters.store(detail="2", reason="data_too_large", event_source="/till")
    await letters.store(detail="3", reason="record_unreadable", origin="tocsin.intents.bulk/0/9")
    await letters.store(
        detail="4", service="dispatch-email", reason="record_unreadable", origin="tocsin.jobs.email.bulk/0/3"
    )
    assert await letters.found() == ["4", "3", "2", "1"]
    assert await letters.found(order="oldest") == ["1", "2", "3", "4"]
    assert await letters.found(reason="record_unreadable") == ["4", "3"]
    assert await letters.found(reason="record_unreadable", service="router") == ["3"]
    assert await letters.found(service="dispatch-email") == ["4"]
    assert await letters.found(source="/shop") == ["1"]
    assert await letters.found(kind="intents") == ["3"]
    assert await letters.found(kind="jobs") == ["4"]
    assert await letters.found(since=(START + timedelta(seconds=1)).isoformat()) == ["3", "2"]
    (first,) = (await letters.get(source="/shop")).json()["data"]
    assert first | {"id": "", "stored_at": "", "at": ""} == {
        "id": "", "stored_at": "", "at": "", "service": "router", "kind": "events", "reason": "data_invalid", "detail": "1",
        "tenant": "acme", "event_source": "/shop", "event_id": "e-1", "origin": "tocsin.events.bulk/0/1",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("query", "pointer", "code", "says"),
    [
        ({"reason": "data_invalit"}, "query:reason", "word_unknown", "Did you mean `data_invalid`?"),
        ({"reason": "retries_exhausted"}, "query:reason", "word_unknown", "Known: not_a_cloudevent,"),
        ({"service": "emil"}, "query:service", "word_unknown", "Known: dispatch-chat, dispatch-email,"),
        ({"kind": "event"}, "query:kind", "word_unknown", "Did you mean `events`?"),
        ({"order": "up"}, "query:order", "enum", "'newest' or 'oldest'"),
        ({"since": "yesterday"}, "query:since", "datetime_from_date_parsing", "offset from UTC"),
        ({"resaon": "x"}, "query:resaon", "parameter_unknown", "Did you mean `reason`?"),
        ({"limit": 201}, "query:limit", "less_than_equal", "200"),
    ],
)
async def test_what_nobody_knows_is_refused_by_name(
    letters: DeadLetters, query: dict[str, Any], pointer: str, code: str, says: str
) -> None:
    answer = await letters.get(**query)
    assert answer.status_code == 422
    (fault,) = answer.json()["errors"]
    assert (fault["pointer"], fault["code"]) == (pointer, code)
    assert says in fault["detail"]


@pytest.mark.parametrize("cursor", ["x", "W10", "WyJhIl0", "WzEsMl0", "Wy0xXQ", "W3RydWVd", "WzFlNDAwXQ", "WzkyMjMzNzIwMzY4NTQ3NzU4MDhd"])  # fmt: skip
async def test_cursors_nobody_gave_out(letters: DeadLetters, cursor: str) -> None:
    answer = await letters.get(cursor=cursor)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")


@pytest.mark.parametrize("order", ["newest", "oldest"])
async def test_pages_follow_on_one_another(letters: DeadLetters, order: str) -> None:
    for number in range(7):
        await letters.store(detail=str(number))
        await letters.store(detail="not mine", tenant="other")
    seen, more = list[str](), dict[str, Any]()
    while True:
        page = (await letters.get(order=order, limit=3, **more)).json()
        seen += [letter["detail"] for letter in page["data"]]
        more = {"cursor": page["next_cursor"]}
        if not page["has_more"]:
            break
    expected = [str(number) for number in range(7)]
    assert seen == (expected if order == "oldest" else expected[::-1])
    assert (more["cursor"] is None) == (order == "newest")


async def test_each_tenant_sees_its_own_and_an_operator_what_names_none(letters: DeadLetters) -> None:
    await letters.store(detail="mine")
    await letters.store(detail="theirs", tenant="other")
    await letters.store(detail="nobody's", tenant="")
    assert await letters.found() == ["mine"]
    assert await letters.found(key="acme tests") == ["mine"]
    assert await letters.found(key="other") == ["theirs"]
    assert await letters.found(key="operator") == []
    assert await letters.found(key="operator", without_tenant=True) == ["nobody's"]
    for key, code in (("acme", "scope_missing"), ("other", "scope_missing"), ("acme tests", "test_key")):
        answer = await letters.get(key=key, without_tenant=True)
        assert (answer.status_code, answer.json()["code"]) == (403, code)


async def test_the_record_itself_is_shown_to_who_manages_its_tenant(letters: DeadLetters) -> None:
    await letters.store(
        value=b'{"to":"ada@example.com"}',
        key=b"\xff",
        headers=(("ce_id", b"e-1"), ("ce_id", b"\xfe")),
        tenant="acme",
    )
    await letters.store(detail="nobody's", tenant="")
    (mine,) = (await letters.get()).json()["data"]
    (nobodys,) = (await letters.get(key="operator", without_tenant=True)).json()["data"]
    assert "ada@example.com" not in (await letters.get()).text
    whole = (await letters.get(f"{PATH}/{mine['id']}", key="acme manages")).json()
    assert {name: whole[name] for name in mine} == mine
    assert whole["value"] == {"text": '{"to":"ada@example.com"}', "base64": None}
    assert base64.b64decode(whole["key"]["base64"]) == b"\xff"
    assert [(header["name"], header["value"]["text"]) for header in whole["headers"]] == [
        ("ce_id", "e-1"),
        ("ce_id", None),
    ]
    assert whole["left_out"]["value_bytes"] == 0
    for key, letter, status in (
        ("acme", mine, 403), ("acme tests", mine, 200), ("other", mine, 404), ("operator", mine, 404),
        ("acme manages", nobodys, 404), ("acme tests", nobodys, 404), ("operator", nobodys, 200),
    ):  # fmt: skip
        assert (await letters.get(f"{PATH}/{letter['id']}", key=key)).status_code == status, (key, letter)


async def test_an_id_that_is_none_and_one_that_is_not_known(letters: DeadLetters) -> None:
    answers = [await letters.get(f"{PATH}/{cursor}", key="acme manages") for cursor in ("x", "1" * 32)]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [
        (404, "not_found"),
        (404, "not_yet_known"),
    ]
    assert answers[1].headers["retry-after"] == "1"


async def test_what_the_ledger_cannot_read_stands_in_the_same_list(
    letters: DeadLetters, ledger_database: LedgerDatabase, log: Any
) -> None:
    statuses = log(topic="tocsin.status.bulk")
    await ledger_database.table().apply([statuses.batch(statuses.record(b"\xff\x00"), expected=None)])
    (letter,) = (await letters.get(key="operator", without_tenant=True, service="ledger")).json()["data"]
    assert (letter["kind"], letter["reason"], letter["origin"]) == (
        "status",
        "record_unreadable",
        "tocsin.status.bulk/0/0",
    )
    assert letter["detail"].startswith("Not a status")
    whole = (await letters.get(f"{PATH}/{letter['id']}", key="operator")).json()
    assert base64.b64decode(whole["value"]["base64"]) == b"\xff\x00"


async def test_who_follows_misses_nothing_although_others_write_at_the_same_time(
    letters: DeadLetters, ledger_database: LedgerDatabase
) -> None:
    """A slow transaction that was first to write makes the next one wait, so no number appears below one that was seen."""
    first, second = letters.record(detail="1"), letters.record(detail="2", service="dispatch-sms")
    slow = HoldAt("before_rows_commit")
    writing = asyncio.create_task(letters.apply(first, failpoints=slow))
    await slow.reached.wait()
    waiting = asyncio.create_task(letters.apply(second))
    await until_it_waits(ledger_database)
    assert await letters.found(order="oldest") == []
    slow.open.set()
    await asyncio.gather(writing, waiting)
    assert await letters.found(order="oldest") == ["1", "2"]


async def test_lists_use_their_indexes(letters: DeadLetters, ledger_database: LedgerDatabase) -> None:
    await letters.store()
    async with ledger_database.database.driver() as connection:
        await connection.execute("SET enable_seqscan = off")
        for condition, column in (
            ("", "tenant"), ("AND reason = 'x'", "reason"), ("AND service = 'x'", "service"), ("AND kind = 'x'", "kind"),
            ("AND hashtextextended(event_source, 0) = 7", "event_source"),
        ):  # fmt: skip
            statement = f"SELECT 1 FROM ledger.dead_letters WHERE tenant = 'acme' {condition} AND number > 5 ORDER BY number"
            plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {statement} LIMIT 50"))
            assert "Index" in plan, plan
            assert "Sort" not in plan, plan
            assert column in plan.split("Index Cond")[1].split("\n")[0], plan


async def test_who_sends_them_is_told_by_source_and_reason(letters: DeadLetters) -> None:
    """The most first, of one tenant; those of nobody are the operator's to see."""
    poison = [letters.record(event_source="/broken", event_id=str(number)) for number in range(3)]
    await letters.apply(
        *poison,
        letters.record(event_source="/shop"),
        letters.record(event_source="/shop", reason="data_too_large"),
    )
    await letters.store(tenant="other", event_source="/theirs")
    await letters.store(tenant="", reason="not_a_cloudevent")

    async def told(**query: Any) -> list[tuple[str | None, str, int]]:
        rows = (await letters.get(f"{PATH}/by-source", **query)).json()["data"]
        return [(row["event_source"], row["reason"], row["letters"]) for row in rows]

    assert await told() == [
        ("/broken", "data_invalid", 3),
        ("/shop", "data_invalid", 1),
        ("/shop", "data_too_large", 1),
    ]
    assert await told(reason="data_too_large") == [("/shop", "data_too_large", 1)]
    assert await told(key="other") == [("/theirs", "data_invalid", 1)]
    assert await told(key="operator", without_tenant=True) == [(None, "not_a_cloudevent", 1)]
    assert (await letters.get(f"{PATH}/by-source", without_tenant=True)).status_code == 403
    row = (await letters.get(f"{PATH}/by-source")).json()["data"][0]
    newest = (await letters.get(f"{PATH}", source="/broken")).json()["data"][0]
    assert (row["last_id"], row["last_stored_at"]) == (newest["id"], newest["stored_at"])


async def test_of_a_million_only_the_newest_are_looked_at(
    letters: DeadLetters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "LOOKED_AT", 2)
    await letters.apply(*(letters.record(event_source=source) for source in ("/old", "/new", "/newest")))
    rows = (await letters.get(f"{PATH}/by-source")).json()["data"]
    assert [row["event_source"] for row in rows] == ["/new", "/newest"]
