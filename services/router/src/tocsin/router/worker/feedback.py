"""What deliveries teach the directory: a device that is gone is removed, an endpoint that is gone is disabled, an address that is dead or
whose owner has complained is suppressed, and stops know of it; an endpoint that fails for days is disabled, and its owner told. What can have no effect is counted, and never holds up the rest. And statuses
that endpoints have asked for are told to them.

Rows first, at least once; doing it twice changes nothing. Then the offsets, in one transaction with the jobs of what is told: exactly once. Nobody
waits for it, so statuses gather first.
"""

from datetime import datetime
from typing import Final

from msgspec.structs import replace
from sqlalchemy import delete, select

from tocsin.contracts.channels import CHANNELS
from tocsin.contracts.codec import UNREADABLE_ERRORS, decode_status
from tocsin.contracts.statuses import Status
from tocsin.contracts.subscriptions import TOLD_OVER
from tocsin.contracts.vocabulary import Lane, Reason, StatusName
from tocsin.database import Database
from tocsin.kafka import Batch, CatchUp, ConsumerRecord, FencedShard, Fetching, ProducerRecord, always_current
from tocsin.observability import get_logger, metrics
from tocsin.router.address_hashes import AddressHashes
from tocsin.router.changes import raise_versions
from tocsin.router.policy import LESSON_WORDS, Unusable, lesson_of, unusable
from tocsin.router.tables import devices, recipients
from tocsin.router.worker.address_lessons import AddressLessons, Learnt
from tocsin.router.worker.endpoint_health import Answered, EndpointsWatched, answered
from tocsin.router.worker.gone_endpoints import GoneEndpoints, endpoint_gone
from tocsin.router.worker.subscriptions import StatusSubscriptions
from tocsin.runtime import LoopSlice

log = get_logger(__name__)

_MARKS: Final = tuple(f'"{word}"'.encode() for word in (Reason.DEVICE_GONE, TOLD_OVER.channel, *LESSON_WORDS))
"""One of them is in every status that matters here, and in next to no other: decoding them all would cost a core."""

FETCHING: Final = Fetching(least_bytes=262_144, wait=0.5)
AT_ONCE: Final = 2_000
"""Records taken together."""
GATHER: Final = 1.0
"""Seconds for which they gather: a commit of offsets costs the broker as much as hundreds of statuses read."""
TOLD_BYTES: Final = 4_194_304
"""Of jobs in one transaction: the rest of a batch follows in the next."""
DIRECTORY_SECONDS: Final = 1.0
"""For which the copy of the directory is waited for, so that a subscription that is in force holds for every status stored after it."""


class Feedback:
    """`work` is what a `ConsumerGroup` of `status.<lane>` runs."""

    def __init__(
        self,
        *,
        lane: Lane,
        database: Database,
        hashes: AddressHashes,
        subscriptions: StatusSubscriptions | None = None,
        watched: EndpointsWatched | None = None,
        catch_up: CatchUp = always_current,
    ) -> None:
        self._database = database
        self._subscriptions = subscriptions
        self._watched = watched
        self._catch_up = catch_up
        self._hashes = hashes
        self._gone_endpoints = GoneEndpoints(lane=lane, database=database)
        self._lessons = AddressLessons(database=database, hashes=hashes)
        self._removed = metrics.processed.labels("router", lane, "device_removed")

    async def work(self, shard: FencedShard) -> None:
        """Until the shard is revoked."""
        while True:
            await shard.gather(records=AT_ONCE, seconds=GATHER)
            batch = await shard.take(max_records=AT_ONCE)
            if batch is None:
                return
            await self._catch_up(seconds=DIRECTORY_SECONDS)
            remaining = batch.records
            while remaining and not shard.revoked.is_set():
                remaining = await self._part(shard, replace(batch, records=remaining))

    async def _part(self, shard: FencedShard, batch: Batch) -> list[ConsumerRecord]:
        """Learn and tell what follows from the first records of the batch, at least one, and commit their offsets. Returns the rest."""
        loop_slice, learnt, told, size, done = LoopSlice(), list[Learnt](), list[ProducerRecord](), 0, 0
        heard: list[Answered] = []
        while done < len(batch.records) and size < TOLD_BYTES:
            record = batch.records[done]
            lesson = await self._lesson(record, heard)
            if lesson is not None:
                learnt.append(lesson)
            if self._subscriptions is not None:
                jobs = self._subscriptions.jobs_for(record)
                told += jobs
                size += sum(job.size for job in jobs)
            done += 1
            if loop_slice.due:
                await loop_slice.let_go()
        if learnt:
            await self._lessons.learn(learnt)
        if heard and self._watched is not None:
            told += await self._watched.learn(heard)
        offsets = (
            batch.offsets
            if done == len(batch.records)
            else replace(batch, records=batch.records[:done]).offsets
        )
        if told:
            await shard.transaction(told, offsets)
        else:  # a transaction costs the broker more than a commit
            await shard.commit(offsets)
        return batch.records[done:]

    async def _lesson(self, record: ConsumerRecord, heard: list[Answered]) -> Learnt | None:
        """What the record teaches of an address, if anything. A device that is gone is removed at once, an endpoint that is
        gone disabled; what an endpoint has answered otherwise is added to `heard`."""
        status = status_that_matters(record)
        if status is None:
            return None
        answer = answered(status, record=record.ref)
        if answer is not None:
            heard.append(answer)
            return None
        if endpoint_gone(status):
            await self._gone_endpoints.disable(status)
            return None
        lesson, gone = lesson_of(status), _device_gone(status)
        if lesson is None and not gone:
            return None
        why = unusable(status) or (None if self._hashes.knows(status.address_hash or "") else Unusable.HASH)
        if why is not None:
            self._lessons.ignore(why, status=record.ref)
        elif gone:
            await self._remove(status)
        elif lesson is not None:
            return Learnt(lesson, status)
        return None

    async def _remove(self, status: Status) -> None:
        """Remove the device, unless it has another token by now, or was registered after the provider knew that it is gone."""
        recipient, device, address_hash = status.recipient, status.address_key, status.address_hash
        if recipient is None or device is None or address_hash is None:
            return
        if await self.forget_device(
            status.tenant, recipient, device, address_hash=address_hash, gone_since=status.gone_since
        ):
            self._removed.inc()
            log.info("device removed", tenant=status.tenant, delivery_id=status.delivery_id)

    async def forget_device(
        self,
        tenant: str,
        recipient: str,
        device: str,
        *,
        address_hash: str,
        gone_since: datetime | None = None,
    ) -> bool:
        """Whether a device with the token of this hash stood there, registered before `gone_since`; it stands there no more."""
        key = {"tenant": tenant, "recipient": recipient, "id": device}
        this_device = [devices.c[name] == value for name, value in key.items()]
        this_recipient = (recipients.c.tenant == tenant, recipients.c.id == recipient)
        async with self._database.engine.begin() as db:
            # First, as every change of a recipient's devices does: one that has read them finds them as they were.
            await db.execute(select(recipients.c.id).where(*this_recipient).with_for_update())
            found = (
                await db.execute(select(devices.c.token, devices.c.updated_at).where(*this_device))
            ).first()
            if found is None or not self._hashes.is_of(address_hash, found.token):
                return False
            if gone_since is not None and found.updated_at > gone_since:
                return False
            await db.execute(delete(devices).where(*this_device))
            await raise_versions(db, tenant, [recipient])
        return True


def status_that_matters(record: ConsumerRecord) -> Status | None:
    """The status, where it may teach anything. Unreadable ones are the ledger's business."""
    value = record.value
    if value is None or not any(mark in value for mark in _MARKS):
        return None
    try:
        status = decode_status(value)
    except UNREADABLE_ERRORS:
        return None
    return status if isinstance(status, Status) else None


def _device_gone(status: Status) -> bool:
    """Whether a push provider knows the device no more."""
    spec = CHANNELS.get(status.channel or "")
    return (
        status.status == StatusName.FAILED
        and status.reason == Reason.DEVICE_GONE
        and spec is not None
        and spec.address.gone is Reason.DEVICE_GONE
    )
