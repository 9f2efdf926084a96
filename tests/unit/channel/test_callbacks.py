"""What a callback is answered, what of it is written, and what nobody ever sees of it."""

import asyncio
import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Literal
from uuid import uuid5

import httpx
import pytest
from prometheus_client import REGISTRY
from pydantic import TypeAdapter, ValidationError
from tests.log_lines import lines_of

from tocsin.channel.callbacks import Callbacks, callbacks_app
from tocsin.channel.provider_config import ProvidersInvalid, SecretFile
from tocsin.channel.public_url import PublicUrl
from tocsin.channel.receipts import (
    Cause,
    ProviderEvent,
    RawRequest,
    ReceiptsConfig,
    ReceiptsKind,
    Refused,
    enhanced_code,
    event_id,
    hashed,
    in_time,
)
from tocsin.channel.receivers import Receivers
from tocsin.channel.ref import RefKey, Refs
from tocsin.contracts.codec import decode_status
from tocsin.contracts.ids import NAMESPACE, recipient_key, status_id
from tocsin.contracts.statuses import Receipt, Status
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import RECEIPTS as TOLD
from tocsin.contracts.vocabulary import Channel, Lane, Reason, StatusName
from tocsin.kafka import NotStored, Overloaded, ProducerRecord, RecordMetadata
from tocsin.runtime import Clock, Health
from tocsin.testing import ManualClock
from tocsin.testing.jobs import job_for

NOW = datetime(2026, 1, 1, tzinfo=UTC)
AT = NOW - timedelta(seconds=7)
KEYS = [RefKey("1", "k" * 32)]
JOB = job_for(Channel.EMAIL)
KIND = "spoken"


class SpokenConfig(ReceiptsConfig):
    password_files: tuple[SecretFile, ...]


class Spoken:
    """A provider whose signature is a password, and that tells what the test has it tell."""

    tells: Sequence[ProviderEvent | Cause] | Cause = ()

    def __init__(self, config: SpokenConfig, clock: Clock) -> None:
        self.passwords = {file.get_secret_value() for file in config.password_files}
        self.asked: list[RawRequest] = []

    async def verify(self, request: RawRequest) -> Sequence[ProviderEvent | Cause]:
        self.asked.append(request)
        if request.headers.get("x-password") not in self.passwords:
            raise Refused(Cause.SIGNATURE)
        if isinstance(self.tells, Cause):
            raise Refused(self.tells)
        return self.tells


KINDS = {KIND: ReceiptsKind(config=SpokenConfig, create=Spoken)}


class Topic:
    """Kafka, as far as a callback sees it."""

    def __init__(self) -> None:
        self.records: list[ProducerRecord] = []
        self.away: Exception | None = None
        self.stores = 0
        """So many records of a call are stored before Kafka is away."""

    async def publish(self, records: Sequence[ProducerRecord], *, timeout: float) -> list[RecordMetadata]:  # noqa: ASYNC109 - as Publisher has it
        await asyncio.sleep(0)
        if self.away is not None:
            self.records += records[: self.stores]
            raise self.away
        self.records += records
        return [RecordMetadata(record.topic, 0, number, 0) for number, record in enumerate(records)]

    @property
    def statuses(self) -> list[Status]:
        return [
            status
            for record in self.records
            if isinstance(status := decode_status(record.value or b""), Status)
        ]


class Role:
    """The app over one providers file."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "providers.toml"
        (folder / "password").write_text("right")
        self.write('password_files = ["password"]')
        self.topic = Topic()
        self.receivers = Receivers(
            channel=Channel.EMAIL, path=self.file, kinds=KINDS, ref_keys=KEYS, clock=ManualClock(NOW)
        )
        callbacks = Callbacks(
            service="dispatch-email-callbacks",
            channel=Channel.EMAIL,
            receivers=self.receivers,
            publisher=self.topic,
            topics=Topics(),
            public_url="https://callbacks.example.com/mail",
            max_bodies_bytes=8 * 1024 * 1024,
            clock=ManualClock(NOW),
        )
        self.app = callbacks_app(
            callbacks, service="dispatch-email-callbacks", health=Health(service="dispatch-email-callbacks")
        )

    def write(self, receipts: str, name: str = "primary") -> None:
        self.file.write_text(
            f'[[providers]]\nname = "{name}"\nkind = "{KIND}"\nhost = "h"\n[providers.receipts]\n{receipts}\n'
        )

    def spoken(self) -> Spoken:
        receipts = self.receivers["primary"].receipts
        assert isinstance(receipts, Spoken)
        return receipts

    async def call(
        self,
        *tells: ProviderEvent | Cause,
        path: str = "/callbacks/primary",
        body: bytes = b"{}",
        headers: Mapping[str, str] | None = None,
        method: Literal["POST", "GET"] = "POST",
    ) -> httpx.Response:
        if tells:
            self.spoken().tells = tells
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://inside") as client:
            given = {"x-password": "right"} if headers is None else dict(headers)
            return await client.request(method, path, content=body, headers=given)


@pytest.fixture
def role(tmp_path: Path) -> Role:
    return Role(tmp_path)


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    with lines_of("dispatch-email-callbacks") as out:
        yield out


def ref(instance: str = "primary", keys: Sequence[RefKey] = KEYS) -> str | None:
    return Refs(keys, channel=Channel.EMAIL, instance=instance).seal(JOB)


def told(status: StatusName | None = StatusName.DELIVERED, **fields: Any) -> ProviderEvent:
    return ProviderEvent(**({"ref": ref(), "status": status, "id": "e-1", "at": AT} | fields))


def counted(metric: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(metric, {"channel": "email", "provider": "primary"} | labels) or 0.0


async def test_what_a_provider_tells_becomes_a_status_of_its_delivery(role: Role) -> None:
    before = counted("tocsin_receipts_total", status="bounced")
    answer = await role.call(
        told(StatusName.BOUNCED, code="5.1.1", reason=Reason.HARD_BOUNCE, detail="Nobody there.")
    )
    assert (answer.status_code, answer.content) == (200, b"")
    (record,) = role.topic.records
    assert (record.topic, record.key) == ("tocsin.status.transactional", recipient_key("acme", "ada"))
    assert role.topic.statuses == [
        Status(
            status_id=status_id(subject=JOB.delivery_id, status="bounced", cause="e-1"),
            status="bounced", final=False, at=NOW, tenant="acme", notification_id=JOB.notification_id,
            delivery_id=JOB.delivery_id, recipient="ada", workflow="order-shipped", category="orders", channel="email",
            step="send", address_key="email", address_hash=JOB.address_hash, lane=Lane.TRANSACTIONAL, provider="primary",
            provider_code="5.1.1", reason="hard_bounce", detail="Nobody there.", receipt=Receipt(id="e-1", at=AT),
            origin=JOB.origin, cause="e-1",
        )
    ]  # fmt: skip
    assert counted("tocsin_receipts_total", status="bounced") == before + 1


async def test_the_same_told_again_has_the_same_id(role: Role) -> None:
    for _ in range(3):
        assert (await role.call(told(ref=ref()))).status_code == 200
    assert len({status.status_id for status in role.topic.statuses}) == 1


async def test_several_events_at_once_keep_their_order(role: Role) -> None:
    names = [StatusName.DELIVERED, None, StatusName.OPENED, StatusName.CLICKED]
    noted = counted("tocsin_receipts_total", status="noted")
    assert (await role.call(*(told(name, id=f"e-{name}") for name in names))).status_code == 200
    assert [status.status for status in role.topic.statuses] == ["delivered", "opened", "clicked"]
    assert counted("tocsin_receipts_total", status="noted") == noted + 1


@pytest.mark.parametrize(
    "bad",
    [
        None,
        "",
        "none-of-ours",
        ref("secondary"),
        ref(keys=[RefKey("1", "x" * 32)]),
        ref(keys=[RefKey("2", "k" * 32)]),
    ],
    ids=["absent", "empty", "strange", "other instance", "other secret", "other key"],
)
async def test_without_a_ref_of_ours_nothing_is_written_and_it_is_not_asked_for_again(
    role: Role, bad: str | None
) -> None:
    before = counted("tocsin_receipts_refused_total", cause="ref")
    assert (await role.call(told(ref=bad), told(id="e-2"))).status_code == 200
    assert [status.cause for status in role.topic.statuses] == ["e-2"]
    assert counted("tocsin_receipts_refused_total", cause="ref") == before + 1


@pytest.mark.parametrize(
    ("cause", "status"),
    [
        (Cause.SIGNATURE, 403),
        (Cause.STALE, 403),
        (Cause.REPLAYED, 403),
        (Cause.TOPIC, 403),
        (Cause.UNREACHABLE, 503),
        (Cause.UNSIGNED, 503),
        (Cause.UNREADABLE, 400),
    ],
)
async def test_what_is_refused_is_counted_by_its_cause_and_writes_nothing(
    role: Role, cause: Cause, status: int
) -> None:
    before = counted("tocsin_receipts_refused_total", cause=cause)
    role.spoken().tells = cause
    assert (await role.call()).status_code == status
    assert counted("tocsin_receipts_refused_total", cause=cause) == before + 1
    assert role.topic.records == []


async def test_a_wrong_secret_and_none(role: Role) -> None:
    for headers in ({}, {"x-password": "wrong"}):
        answer = await role.call(told(), headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert role.topic.records == []


@pytest.mark.parametrize(
    ("away", "code"),
    [
        (NotStored("No acknowledgement within 5 s."), "not_known_to_be_stored"),
        (Overloaded("full"), "overloaded"),
    ],
)
async def test_while_kafka_is_away_the_provider_is_asked_to_repeat(
    role: Role, away: Exception, code: str
) -> None:
    before = counted("tocsin_receipts_total", status="delivered")
    role.topic.away = away
    answer = await role.call(told())
    assert (answer.status_code, answer.json()["code"]) == (503, code)
    assert answer.headers["retry-after"] == "2"
    assert counted("tocsin_receipts_total", status="delivered") == before
    role.topic.away = None
    assert (await role.call(told())).status_code == 200
    assert [status.status for status in role.topic.statuses] == ["delivered"]


async def test_a_thousand_events_of_which_some_were_stored_before_kafka_went_away(role: Role) -> None:
    names = [StatusName.DELIVERED, StatusName.OPENED, StatusName.BOUNCED, StatusName.CLICKED]
    events = [told(names[number % 4], id=f"e-{number}") for number in range(1000)]
    before = counted("tocsin_receipts_total", status="delivered")
    role.topic.away, role.topic.stores = NotStored("No acknowledgement within 5 s."), 337
    assert (await role.call(*events)).status_code == 503
    assert counted("tocsin_receipts_total", status="delivered") == before
    role.topic.away = None
    assert (await role.call(*events)).status_code == 200
    assert len(role.topic.records) == 1337
    assert {status.cause for status in role.topic.statuses} == {f"e-{number}" for number in range(1000)}
    assert len({status.status_id for status in role.topic.statuses}) == 1000
    assert counted("tocsin_receipts_total", status="delivered") == before + 250


async def test_an_event_that_cannot_be_read_costs_none_of_the_others(role: Role) -> None:
    before = counted("tocsin_receipts_refused_total", cause="unreadable")
    role.topic.away = NotStored("No acknowledgement within 5 s.")
    assert (await role.call(told(id="e-1"), Cause.UNREADABLE, told(id="e-2"))).status_code == 503
    assert counted("tocsin_receipts_refused_total", cause="unreadable") == before
    role.topic.away = None
    assert (await role.call(told(id="e-1"), Cause.UNREADABLE, told(id="e-2"))).status_code == 200
    assert [status.cause for status in role.topic.statuses] == ["e-1", "e-2"]
    assert counted("tocsin_receipts_refused_total", cause="unreadable") == before + 1


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (AT.astimezone(timezone(timedelta(hours=14))), AT),
        (datetime.max.replace(tzinfo=timezone(-timedelta(hours=1))), None),
        (datetime.min.replace(tzinfo=timezone(timedelta(hours=1))), None),
        (None, None),
    ],
)
async def test_times_of_providers_are_told_in_utc(
    role: Role, at: datetime | None, expected: datetime | None
) -> None:
    assert (await role.call(told(at=at))).status_code == 200
    (status,) = role.topic.statuses
    assert status.receipt == Receipt(id="e-1", at=expected)


async def test_the_id_of_a_status_is_the_one_that_is_published(role: Role) -> None:
    """A UUIDv5 of the JSON array [delivery, status, receipt]."""
    await role.call(told(StatusName.OPENED, id="ZXZlbnQ="))
    (status,) = role.topic.statuses
    name = f'["{JOB.delivery_id}","opened","ZXZlbnQ="]'
    assert status.status_id == str(uuid5(NAMESPACE, name))


async def test_every_count_is_shown_from_the_start(role: Role, tmp_path: Path) -> None:
    role.write('password_files = ["password"]', name="another")
    await role.receivers.reload()
    for status in [*TOLD, "noted"]:
        labels = {"channel": "email", "provider": "another", "status": status}
        assert REGISTRY.get_sample_value("tocsin_receipts_total", labels) == 0
    for cause in set(Cause) - {Cause.INSTANCE}:
        labels = {"channel": "email", "provider": "another", "cause": cause}
        assert REGISTRY.get_sample_value("tocsin_receipts_refused_total", labels) == 0


async def test_an_instance_that_takes_none_is_counted_under_no_name_of_the_callers(role: Role) -> None:
    before = counted("tocsin_receipts_refused_total", provider="none", cause="instance")
    answer = await role.call(path="/callbacks/made-up-by-a-stranger")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert counted("tocsin_receipts_refused_total", provider="none", cause="instance") == before + 1


async def test_an_adapter_sees_the_request_as_its_provider_made_it(role: Role) -> None:
    await role.call(path="/callbacks/primary/mail%2Fbox?ref=a%20b&x=1", body=b"\xff\x00")
    (request,) = role.spoken().asked
    assert request.url == "https://callbacks.example.com/mail/callbacks/primary/mail%2Fbox?ref=a%20b&x=1"
    assert (request.path, request.query, request.body) == ("mail/box", "ref=a%20b&x=1", b"\xff\x00")
    assert request.headers["x-password"] == "right"


async def test_bodies_have_a_bound(role: Role) -> None:
    assert (await role.call(told(), body=b"x" * 1024 * 1024)).status_code == 200
    too_large = await role.call(told(), body=b"x" * (1024 * 1024 + 1))
    assert (too_large.status_code, too_large.json()["code"]) == (413, "body_too_large")


async def test_other_methods_and_paths(role: Role) -> None:
    assert (await role.call(method="GET")).status_code == 405
    assert (await role.call(path="/callbacks")).status_code == 404
    assert (await role.call(path="/metrics")).status_code == 404


async def test_a_secret_is_replaced_while_both_work(role: Role, tmp_path: Path) -> None:
    (tmp_path / "next").write_text("next")

    async def answers() -> list[int]:
        return [
            (await role.call(told(), headers={"x-password": word})).status_code for word in ("right", "next")
        ]

    assert await answers() == [200, 403]
    role.write('password_files = ["next", "password"]')
    await role.receivers.reload()
    assert await answers() == [200, 200]
    role.write('password_files = ["next"]')
    await role.receivers.reload()
    assert await answers() == [403, 200]


async def test_a_file_that_became_invalid_changes_nothing_and_is_told(role: Role, lines: io.StringIO) -> None:
    role.write('password_files = ["not-there"]')
    for _ in range(2):
        await role.receivers.reload()
    assert (await role.call(told())).status_code == 200
    assert lines.getvalue().count("not-there cannot be read: No such file or directory") == 1
    assert "right" not in lines.getvalue()


async def test_a_secret_that_nobody_may_read_is_told_and_read_once_somebody_may(
    role: Role, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: io.StringIO
) -> None:
    secret, read = tmp_path / "password", Path.read_text

    def refused(path: Path, encoding: str | None = None) -> str:
        if path == secret and not path.stat().st_mode & 0o400:  # root may read it all the same
            raise PermissionError(13, "Permission denied")
        return read(path, encoding)

    monkeypatch.setattr(Path, "read_text", refused)
    secret.write_text("next")
    secret.chmod(0o000)
    await role.receivers.reload()
    assert "password cannot be read: Permission denied" in lines.getvalue()
    assert (await role.call(told(), headers={"x-password": "right"})).status_code == 200
    secret.chmod(0o600)
    await role.receivers.reload()
    assert (await role.call(told(), headers={"x-password": "next"})).status_code == 200


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[[providers]]\nname = "a"\nkind = "spoken"', "no instance has a table [providers.receipts]"),
        ('[[providers]]\nname = "a"\nkind = "fcm"\n[providers.receipts]', "fcm tells nothing"),
        (
            '[[providers]]\nname = "a"\nkind = "spoken"\n[providers.receipts]',
            "receipts: `password_files` is missing.",
        ),
        (
            '[[providers]]\nname = "a"\nkind = "spoken"\n[providers.receipts]\ncolour = 1',
            "`colour` is no setting",
        ),
        ('[[providers]]\nkind = "spoken"\n[providers.receipts]\npassword_files = []', "has no `name`"),
        (
            '[[providers]]\nname = "A/b"\nkind = "spoken"\n[providers.receipts]\npassword_files = []',
            "has no `name` of a-z, 0-9 and -",
        ),
    ],
)
def test_faults_of_the_file(tmp_path: Path, text: str, sentence: str) -> None:
    file = tmp_path / "providers.toml"
    file.write_text(text)
    with pytest.raises(ProvidersInvalid) as invalid:
        Receivers(channel=Channel.EMAIL, path=file, kinds=KINDS, ref_keys=KEYS, clock=ManualClock(NOW))
    assert sentence in str(invalid.value)


def test_ids_of_events_hold_nothing_else() -> None:
    assert event_id("ZGVsaXZlcmVkLTAtMQ==") == "ZGVsaXZlcmVkLTAtMQ=="
    for odd in ("tocsin.jobs.email.bulk/0/17", "ada@example.org", "a" * 129, "", "ü", "a\n"):
        assert event_id(odd) == hashed(odd)
        assert len(event_id(odd)) == 64
    assert event_id(None, "a", "b") != event_id(None, "ab")


@pytest.mark.parametrize(
    ("texts", "code"),
    [
        (("5.1.1", "550 5.7.1 no"), "5.1.1"),
        ((None, "smtp; 550-5.2.1 <marked-address@example.org> off"), "5.2.1"),
        (("connect to 5.1.1.1: refused",), None),
        (("15.1.1", "5.1.1234", "3.1.1"), None),
        ((), None),
    ],
)
def test_of_a_providers_text_only_its_code_is_kept(texts: tuple[str | None, ...], code: str | None) -> None:
    assert enhanced_code(*texts) == code


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("https://callbacks.example.com/email/", None),
        ("http://[::1]:8080", None),
        ("callbacks.example.com", "write an address"),
        ("https://callbacks.example.com:port", "write an address"),
        ("https://callbacks.example.com:99999", "write an address"),
        ("https://:443", "write an address"),
        ("https://user:secret@callbacks.example.com", "write an address"),
        ("https://callbacks.example.com/?a=1", "write an address"),
    ],
)
def test_the_address_that_providers_call(url: str, sentence: str | None) -> None:
    if sentence is None:
        assert TypeAdapter(PublicUrl).validate_python(url) == url.rstrip("/")
        return
    with pytest.raises(ValidationError, match=sentence):
        TypeAdapter(PublicUrl).validate_python(url)


@pytest.mark.parametrize(
    ("seconds", "stale"), [(0, False), (-300, False), (300, False), (301, True), (-301, True)]
)
def test_an_old_time_is_refused(seconds: float, stale: bool) -> None:
    clock = ManualClock(NOW)
    if not stale:
        in_time(NOW.timestamp() + seconds, clock)
        return
    with pytest.raises(Refused) as refused:
        in_time(NOW.timestamp() + seconds, clock)
    assert refused.value.cause is Cause.STALE


def test_a_provider_that_repeats_for_long_may_be_late() -> None:
    now = NOW.timestamp()
    in_time(now - 3600, ManualClock(NOW), late=3600)
    for seconds in (now - 3601, now + 301):
        with pytest.raises(Refused):
            in_time(seconds, ManualClock(NOW), late=3600)


def test_a_time_that_is_none_is_refused() -> None:
    with pytest.raises(Refused):
        in_time(float("nan"), ManualClock(NOW))
