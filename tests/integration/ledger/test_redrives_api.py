"""`/v1/redrives` over a real PostgreSQL: what fits a filter, what is refused, and who may steer what."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest
from tests.integration.ledger.conftest import START, LedgerDatabase, statuses_of

from tocsin.contracts.dead_letters import REASONS, DeadLetter, truncate_to_fit
from tocsin.contracts.directory import ApiKeyRecord
from tocsin.contracts.ids import status_id
from tocsin.contracts.statuses import Status, StatusRecord
from tocsin.contracts.vocabulary import Reason, StatusName
from tocsin.kafka import TopicPartition
from tocsin.ledger import create_app
from tocsin.ledger.redrives import Redrives
from tocsin.web import KeyTable, new_key

pytestmark = pytest.mark.postgres

PATH = "/v1/redrives"
KEYS: dict[str, tuple[str, Any, list[Any]]] = {
    "acme": ("acme", "live", ["read", "manage"]),
    "reads": ("acme", "live", ["read"]),
    "tests": ("acme", "test", ["read", "manage"]),
    "other": ("other", "live", ["read", "manage"]),
    "operator": ("acme", "live", ["read", "manage", "operate"]),
}


def ended(status: StatusName, sent: StatusRecord, *, seconds: float = 2, **fields: Any) -> Status:
    """The same delivery with another end."""
    assert isinstance(sent, Status)
    cause = fields.pop("cause", f"{sent.cause}/{status}")
    return msgspec.structs.replace(
        sent,
        status=status,
        final=status.final,
        cause=cause,
        at=sent.at + timedelta(seconds=seconds),
        status_id=status_id(subject=sent.delivery_id or "", status=status, cause=cause),
        **fields,
    )


class Setting:
    """What is stored, and who asks."""

    def __init__(self, database: LedgerDatabase, log: Any, client: httpx.AsyncClient) -> None:
        self.database = database
        self._log = {"statuses": log(), "dead": log(topic="tocsin.dead.router")}
        self._client = client
        self._next: dict[str, int | None] = {"statuses": None, "dead": None}
        self.keys: dict[str, str] = {}
        self.starts: dict[TopicPartition, int] = {}

    async def event_logs(self) -> dict[TopicPartition, int]:
        return self.starts

    async def store(self, *statuses: StatusRecord) -> None:
        log = self._log["statuses"]
        records = [log.status(status, at=self.database.clock.now()) for status in statuses]
        await self._apply("statuses", "ledger.bulk", records)

    async def store_letter(self, value: bytes = b"{}", **about: Any) -> None:
        given: dict[str, Any] = {
            "service": "router",
            "reason": "data_invalid",
            "detail": "Say what.",
            "tenant": "acme",
            "at": START,
        }
        letter = DeadLetter(**(given | {"origin": "tocsin.events.bulk/0/1"} | about))
        kept = truncate_to_fit(letter, key=b"k", value=value, headers=(), largest=4096)
        record = self._log["dead"].record(kept.value, headers=kept.headers, at=self.database.clock.now())
        await self._apply("dead", "ledger.dead", [record])

    async def _apply(self, kind: str, group: str, records: Any) -> None:
        batch = self._log[kind].batch(*records, expected=self._next[kind])
        await self.database.table(group).apply([batch])
        self._next[kind] = batch.next
        self.database.clock.advance(1)

    async def send(self, method: str, path: str = PATH, *, key: str = "acme", **more: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.keys[key]}"}
        return await self._client.request(method, path, headers=headers, **more)

    async def ask(self, *, key: str = "acme", **body: Any) -> httpx.Response:
        return await self.send("POST", key=key, json=body)

    async def found(
        self, *, key: str = "acme", everything: bool = True, **notifications: Any
    ) -> set[tuple[str, str | None]]:
        """Recipient and channel of what would be sent again."""
        answer = await self.ask(key=key, notifications=notifications, all=everything)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert body["dry_run"] is True
        assert body["matched"] == len(body["samples"])
        return {(sample["recipient"], sample["channel"]) for sample in body["samples"]}


@pytest.fixture
async def setting(ledger_database: LedgerDatabase, log: Any) -> AsyncIterator[Setting]:
    table = KeyTable()
    holder: list[Setting] = []

    async def event_logs() -> Any:
        return await holder[0].event_logs()

    app = create_app(
        reader=ledger_database.reader,
        redrives=Redrives(engine=ledger_database.database.engine),
        event_logs=event_logs,
        clock=ledger_database.clock,
        keys=table,
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ledger") as client:
        holder.append(Setting(ledger_database, log, client))
        for name, (tenant, mode, scopes) in KEYS.items():
            key = new_key(mode)
            holder[0].keys[name] = key.reveal()
            table.put(ApiKeyRecord(tenant=tenant, id=key.id, mode=mode, sha256=key.sha256, scopes=scopes))
        yield holder[0]


async def fail(
    setting: Setting, recipient: str, *channels: str, sent: tuple[str, ...] = (), **fields: Any
) -> list[Status]:
    """A notification whose deliveries failed, but for those of `sent`."""
    about = {name: fields.pop(name) for name in ("tenant", "workflow", "event", "at") if name in fields}
    decision, *statuses = statuses_of(recipient, *channels, *sent, **about)
    failures = [ended(StatusName.FAILED, status, **fields) for status in statuses[: len(channels)]]
    await setting.store(decision, *failures, *statuses[len(channels) :])
    return failures


async def test_each_filter_finds_its_own(setting: Setting) -> None:
    await fail(setting, "ann", "email", provider="main", reason="provider_error")
    before = setting.database.clock.now()
    await fail(setting, "bob", "sms", provider="spare", reason="unreachable", workflow="code")
    await fail(setting, "cy", "email", provider="main", reason="unreachable", event="e9")
    everybody = {("ann", "email"), ("bob", "sms"), ("cy", "email")}
    assert await setting.found() == everybody
    assert await setting.found(channel="email") == {("ann", "email"), ("cy", "email")}
    assert await setting.found(provider="spare") == {("bob", "sms")}
    assert await setting.found(reason="unreachable") == {("bob", "sms"), ("cy", "email")}
    assert await setting.found(workflow="code") == {("bob", "sms")}
    assert await setting.found(recipient="cy") == {("cy", "email")}
    assert await setting.found(event="e9") == {("cy", "email")}
    assert await setting.found(lane="bulk") == everybody
    assert await setting.found(lane="critical") == set()
    assert await setting.found(since=before.isoformat()) == {("bob", "sms"), ("cy", "email")}
    assert await setting.found(until=before.isoformat()) == {("ann", "email")}
    whole = {"channel": "email", "provider": "main", "since": (before - timedelta(hours=1)).isoformat()}
    assert await setting.found(**whole, until=before.isoformat(), everything=False) == {("ann", "email")}


async def test_what_was_sent_or_went_on_does_not_fit(setting: Setting) -> None:
    await fail(setting, "elsewhere", "email", sent=("sms",))
    assert await setting.found() == set()
    assert await setting.found(sent_on_another_channel=True) == {("elsewhere", "email")}

    (failed,) = await fail(setting, "sent", "email")
    await setting.store(ended(StatusName.SENT, failed, reason=None))
    await fail(setting, "other devices", "push", "email")
    (failed,) = await fail(setting, "skipped", "email")
    await setting.store(ended(StatusName.SKIPPED, failed))
    assert await setting.found() == {("other devices", "push"), ("other devices", "email")}
    assert await setting.found(status="skipped") == {("skipped", "email")}


async def test_what_is_past_its_expiry_does_not_fit(setting: Setting) -> None:
    await fail(setting, "ann", "email")
    setting.database.clock.advance(timedelta(days=6).total_seconds())
    await fail(setting, "bob", "email", at=setting.database.clock.now())
    assert await setting.found() == {("bob", "email")}


async def test_what_ended_after_it_was_asked_for_does_not_fit(setting: Setting) -> None:
    asked_at = setting.database.clock.now()
    setting.database.clock.advance(60)
    await fail(setting, "ann", "email")
    setting.database.clock.set(asked_at)
    assert await setting.found() == set()
    assert await setting.found(until=(asked_at + timedelta(hours=1)).isoformat()) == set()
    setting.database.clock.advance(120)
    assert await setting.found() == {("ann", "email")}


async def test_the_unknown_is_sent_again_only_where_it_may_come_twice(setting: Setting) -> None:
    for recipient, at_most_once in (("ann", False), ("bob", True)):
        decision, sent = statuses_of(recipient, "sms")
        begun = [ended(StatusName.SENDING, sent)] if at_most_once else []
        await setting.store(decision, *begun, ended(StatusName.UNKNOWN, sent, reason="no_answer"))
    assert await setting.found() == set()
    assert await setting.found(status="unknown") == {("ann", "sms")}


async def test_the_ten_oldest_are_shown(setting: Setting) -> None:
    for number in range(12):
        await fail(setting, f"p{number:02}", "email")
    answer = (await setting.ask(notifications={"channel": "email"})).json()
    assert answer["matched"] == 12
    assert [sample["recipient"] for sample in answer["samples"]] == [f"p{number:02}" for number in range(10)]


async def test_of_a_notification_that_ended_as_a_whole_there_is_one(setting: Setting) -> None:
    (decision,) = statuses_of("ann", rule="category", reason="category_unknown")
    await setting.store(msgspec.structs.replace(decision, outcome="failed"))
    answer = await setting.ask(notifications={"reason": "category_unknown"})
    (sample,) = answer.json()["samples"]
    assert (sample["delivery_id"], sample["channel"], sample["status"]) == (None, None, "failed")


async def test_nobody_sees_or_sends_again_what_is_anothers(setting: Setting) -> None:
    await fail(setting, "ann", "email")
    await fail(setting, "theirs", "email", tenant="other")
    (failed,) = await fail(setting, "trial", "email", test=True)
    assert await setting.found() == {("ann", "email")}
    assert await setting.found(key="other") == {("theirs", "email")}
    assert await setting.found(key="tests") == {("trial", "email")}
    begun = await setting.ask(key="other", notifications={}, all=True, dry_run=False)
    assert begun.status_code == 201
    place = begun.headers["location"]
    assert place == f"{PATH}/{begun.json()['id']}"
    assert (await setting.send("GET", place, key="acme")).status_code == 404
    assert (await setting.send("POST", f"{place}/stop", key="acme")).status_code == 404
    assert (await setting.send("GET", key="acme")).json()["data"] == []
    assert failed.test


async def test_a_test_key_steers_only_its_own_and_touches_no_dead_letter(setting: Setting) -> None:
    begun = (await setting.ask(notifications={}, all=True, dry_run=False)).json()
    refused = await setting.send("POST", f"{PATH}/{begun['id']}/stop", key="tests")
    assert (refused.status_code, refused.json()["code"]) == (403, "test_key")
    own = (await setting.ask(key="tests", notifications={}, all=True, dry_run=False)).json()
    assert (await setting.send("POST", f"{PATH}/{own['id']}/stop", key="tests")).status_code == 200
    refused = await setting.ask(key="tests", dead_letters={"reason": "data_invalid"})
    assert (refused.status_code, refused.json()["code"]) == (403, "test_key")


async def test_it_is_steered_from_state_to_state(setting: Setting) -> None:
    await fail(setting, "ann", "email")
    begun = (await setting.ask(notifications={"channel": "email"}, dry_run=False, rate=7)).json()
    assert (begun["state"], begun["rate"], begun["matched"], begun["written"]) == ("running", 7, 1, 0)
    assert begun["notifications"]["channel"] == "email"
    place = f"{PATH}/{begun['id']}"
    for action, state in (
        ("pause", "paused"),
        ("pause", "paused"),
        ("resume", "running"),
        ("stop", "stopped"),
        ("stop", "stopped"),
    ):
        answer = await setting.send("POST", f"{place}/{action}")
        assert (answer.status_code, answer.json()["state"]) == (200, state)
    refused = await setting.send("POST", f"{place}/resume")
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    ended_at = (await setting.send("GET", place)).json()["ended_at"]
    assert ended_at is not None


async def test_the_newest_stand_first_and_pages_hold_them_all(setting: Setting) -> None:
    ids = [(await setting.ask(notifications={}, all=True, dry_run=False)).json()["id"] for _ in range(3)]
    first = (await setting.send("GET", f"{PATH}?limit=2")).json()
    second = (await setting.send("GET", f"{PATH}?limit=2&cursor={first['next_cursor']}")).json()
    assert [redrive["id"] for redrive in first["data"] + second["data"]] == ids[::-1]
    assert (first["has_more"], second["has_more"]) == (True, False)


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({}, "", "filter_missing"),
    ({"notifications": {}, "dead_letters": {}}, "", "filter_missing"),
    ({"notifications": {}}, "", "filter_empty"),
    ({"notifications": {"status": "failed"}}, "", "filter_empty"),
    ({"notifications": {"sent_on_another_channel": True}}, "", "filter_empty"),
    ({"dead_letters": {}}, "", "filter_empty"),
    ({"notifications": {"reason": "unreachabel"}}, "/notifications/reason", "word_unknown"),
    ({"dead_letters": {"reason": "unreachable"}}, "/dead_letters/reason", "word_unknown"),
    ({"dead_letters": {"service": "routr"}}, "/dead_letters/service", "word_unknown"),
    ({"notifications": {"status": "sent"}}, "/notifications/status", "literal_error"),
    ({"notifications": {"chanel": "email"}}, "/notifications/chanel", "field_unknown"),
    ({"notifications": {"channel": "email"}, "rate": 0}, "/rate", "greater_than_equal"),
    ({"notifications": {"since": "2026-01-01T00:00:00"}}, "/notifications/since", "timezone_aware"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "pointer", "code"), REFUSED)
async def test_what_is_no_filter_is_refused_with_its_place(
    setting: Setting, body: Any, pointer: str, code: str
) -> None:
    answer = await setting.ask(**body)
    assert answer.status_code == 422, answer.text
    assert [(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]] == [(pointer, code)]


async def test_an_unknown_reason_is_answered_with_the_nearest_or_with_all(setting: Setting) -> None:
    (fault,) = (await setting.ask(notifications={"reason": "unreachabel"})).json()["errors"]
    assert fault["detail"] == "Unknown reason. Did you mean `unreachable`?"
    (fault,) = (await setting.ask(dead_letters={"reason": "data_invalit"})).json()["errors"]
    assert fault["detail"] == "Unknown reason. Did you mean `data_invalid`?"
    (fault,) = (await setting.ask(notifications={"reason": "bad luck"})).json()["errors"]
    assert all(f"{reason}" in fault["detail"] for reason in Reason)
    (fault,) = (await setting.ask(dead_letters={"reason": "bad luck"})).json()["errors"]
    assert all(f"{reason}" in fault["detail"] for reason in REASONS)
    assert "bad luck" not in fault["detail"]


async def test_an_empty_filter_names_the_remedy_in_a_request_and_on_the_command_line(
    setting: Setting,
) -> None:
    (fault,) = (await setting.ask(notifications={})).json()["errors"]
    assert '`"all": true` (on the command line `--all`)' in fault["detail"]


async def test_scopes(setting: Setting) -> None:
    refused = await setting.ask(key="reads", notifications={}, all=True)
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")
    assert (await setting.send("GET", key="reads")).status_code == 200
    refused = await setting.ask(dead_letters={"without_tenant": True}, all=True)
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")
    assert (
        await setting.ask(key="operator", dead_letters={"without_tenant": True}, all=True)
    ).status_code == 200
    for path in (f"{PATH}/nonsense", f"{PATH}/5d1f6a0e-6f0b-4d6c-9b58-0c7f4a2f9a11"):
        assert (await setting.send("GET", path)).status_code == 404
    assert (await setting.send("GET", f"{PATH}?cursor=bm9uc2Vuc2U")).json()["code"] == "invalid_cursor"


async def test_dead_letters_are_counted_and_those_without_an_event_are_not_possible(setting: Setting) -> None:
    await setting.store_letter(detail="kept")
    await setting.store_letter(b"x" * 5000, detail="too large to keep", origin="tocsin.events.bulk/0/7")
    await setting.store_letter(detail="a job", service="dispatch-email", origin="tocsin.jobs.email.bulk/0/7")
    await setting.store_letter(detail="nobody's", tenant="", reason="tenant_unknown")
    answer = (await setting.ask(dead_letters={}, all=True)).json()
    assert (answer["matched"], answer["not_possible"]) == (3, 1)
    assert [sample["detail"] for sample in answer["samples"]] == ["kept", "too large to keep", "a job"]
    setting.starts = {TopicPartition("tocsin.events.bulk", 0): 8}
    answer = (await setting.ask(dead_letters={"reason": "data_invalid"})).json()
    assert (answer["matched"], answer["not_possible"]) == (3, 2)
    answer = (await setting.ask(key="operator", dead_letters={"without_tenant": True}, all=True)).json()
    assert [sample["detail"] for sample in answer["samples"]] == ["nobody's"]


async def test_what_is_no_longer_kept_is_counted_as_not_possible(setting: Setting) -> None:
    origin = "tocsin.events.bulk/2/5"
    decision, sent = statuses_of("ann", "email", origin=origin)
    await setting.store(decision, ended(StatusName.FAILED, sent))
    counts = []
    for start in (5, 6):
        setting.starts = {
            TopicPartition("tocsin.events.bulk", 2): start,
            TopicPartition("tocsin.events.bulk", 0): 99,
        }
        counts.append((await setting.ask(notifications={}, all=True)).json()["not_possible"])
    assert counts == [0, 1]
