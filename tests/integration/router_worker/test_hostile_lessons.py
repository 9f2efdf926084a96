"""Whatever stands in a status, those who learn from it go on: what can have no effect is counted, and the rest is learnt."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import insert, select

from tocsin.contracts.codec import encode
from tocsin.contracts.statuses import Receipt, Status, status_of
from tocsin.contracts.vocabulary import Channel, Lane, Reason, StatusName
from tocsin.kafka import Batch, CommittedOffset, ConsumerRecord, TopicPartition
from tocsin.router import tables
from tocsin.router.address_hashes import AddressHashes
from tocsin.router.secret_keys import SecretKey
from tocsin.router.worker.feedback import Feedback
from tocsin.testing.jobs import job_for

pytestmark = pytest.mark.postgres

HASHES = AddressHashes([SecretKey("h1", "h" * 32)])
ANN, BOB = HASHES.of("ann@example.test"), HASHES.of("bob@example.test")
NOW = datetime.now(UTC)
FAR = datetime(9999, 12, 31, 23, tzinfo=UTC)


def bounce(
    reason: Reason | None = Reason.ADDRESS_GONE, *, channel: Channel = Channel.EMAIL, **changes: Any
) -> Status:
    job = job_for(channel, recipient="ann", category="news", address_hash=ANN)
    status = status_of(StatusName.FAILED, job, lane=job.lane, cause="jobs/0/1", at=NOW, reason=reason)
    return msgspec.structs.replace(status, **changes)


class OneBatch:
    """A shard with one batch, and then no more."""

    def __init__(self, statuses: Sequence[Status | bytes]) -> None:
        values = [status if isinstance(status, bytes) else encode(status) for status in statuses]
        records = [ConsumerRecord("status", 0, number, 0, b"k", value) for number, value in enumerate(values)]
        self._waiting = [Batch(records=records)]
        self.revoked = asyncio.Event()
        self.committed: list[Mapping[TopicPartition, CommittedOffset]] = []

    async def gather(self, *, records: int, seconds: float) -> None:
        """Nothing more comes."""

    async def take(self, *, max_records: int) -> Batch | None:
        return self._waiting.pop() if self._waiting else None

    async def commit(self, offsets: Mapping[TopicPartition, CommittedOffset]) -> None:
        self.committed.append(offsets)


HOSTILE: list[tuple[str, Status]] = [
    ("test", bounce(test=True)),
    ("no_address", bounce(address_hash=None)),
    ("no_address", bounce(recipient=None)),
    ("hash", bounce(address_hash="")),
    ("hash", bounce(address_hash="nonsense")),
    ("hash", bounce(address_hash="h1.short")),
    ("hash", bounce(address_hash=ANN + "A")),
    ("hash", bounce(address_hash="h1.\x00" + "A" * 15)),
    ("hash", bounce(address_hash="h2" + ANN[2:])),
    ("malformed", bounce(recipient="a\x00b")),
    ("malformed", bounce(tenant="\x00")),
    ("malformed", bounce(tenant="acme\n")),
    ("malformed", bounce(category="c" * 3_000)),
    ("malformed", bounce(category="\x00")),
    ("malformed", bounce(notification_id="\x00")),
    ("malformed", bounce(Reason.SOFT_BOUNCE, status_id="s" * 9_000)),
    ("malformed", bounce(Reason.SOFT_BOUNCE, at=FAR)),
    ("malformed", bounce(Reason.SOFT_BOUNCE, at=NOW.replace(tzinfo=None))),
    (
        "malformed",
        bounce(Reason.SOFT_BOUNCE, receipt=Receipt(id="r", at=NOW.replace(tzinfo=None))),
    ),
    (
        "malformed",
        bounce(
            Reason.DEVICE_GONE,
            channel=Channel.PUSH,
            address_key="d1",
            gone_since=NOW.replace(tzinfo=None),
        ),
    ),
    ("malformed", bounce(Reason.DEVICE_GONE, channel=Channel.PUSH, address_key="\x00")),
    ("tenant", bounce(tenant="nobody")),
    ("tenant", bounce(Reason.SOFT_BOUNCE, tenant="nobody")),
    ("category", bounce(Reason.PROVIDER_SUPPRESSED, category="none")),
    ("category", bounce(Reason.PROVIDER_SUPPRESSED, category=None)),
    ("category", bounce(None, status="unsubscribed", category="none")),
]


def ignored() -> dict[str, float]:
    return {why: REGISTRY.get_sample_value("tocsin_lessons_ignored_total", {"reason": why}) or 0 for why, _ in HOSTILE}  # fmt: skip


async def test_what_can_have_no_effect_is_counted_and_the_rest_of_the_batch_is_learnt(database):
    async with database.engine.begin() as db:
        await db.execute(insert(tables.tenants), [{"id": "acme"}])
        await db.execute(insert(tables.categories), [{"tenant": "acme", "key": "news", "default": "on"}])
    code = "550 5.1.1 " + "x" * 9_000
    good = bounce(address_hash=BOB, provider_code=code)
    nul = bounce(Reason.RECIPIENT_STOPPED, address_hash=BOB, provider_code="5\x00")
    other_words = [msgspec.structs.replace(bounce(), channel=channel) for channel in ("fax", None)]
    broken = b'{"kind": "status", "reason": "address_gone"'
    statuses: list[Status | bytes] = [good, *(status for _, status in HOSTILE), *other_words, broken, nul]
    batch = OneBatch(statuses)
    feedback = Feedback(lane=Lane.BULK, database=database, hashes=HASHES)
    before = ignored()
    await feedback.work(batch)  # type: ignore[arg-type]  # what of a shard is used
    assert batch.committed == [{TopicPartition("status", 0): CommittedOffset(len(statuses))}]
    expected = {why: before[why] + sum(each == why for each, _ in HOSTILE) for why in before}
    assert ignored() == expected
    columns = [
        tables.suppressions.c[name] for name in ("tenant", "address_hash", "category", "cause", "code")
    ]
    async with database.engine.connect() as db:
        rows = [tuple(row) for row in await db.execute(select(*columns).order_by(columns[3]))]
        assert (await db.execute(select(tables.soft_bounces))).all() == []
    assert rows == [("acme", BOB, "*", "bounce", code[:256]), ("acme", BOB, "*", "complaint", None)]
