"""How far the jobs of one shard have come: what is held, what is finished, and what may be committed."""

import asyncio
from collections.abc import Mapping
from time import perf_counter

from tocsin.channel.offset_tracker import OffsetTracker
from tocsin.channel.outcome_log import JobRecords, ReadLog
from tocsin.kafka import (
    CommittedOffset,
    ConsumerRecord,
    FencedShard,
    Offsets,
    RecordMetadata,
    TopicPartition,
    commits_unreadable,
    read_back_metadata,
    read_back_position,
)
from tocsin.observability import get_logger, metrics

log = get_logger(__name__)

COMMIT_EVERY = 0.5
"""Seconds between commits: what a former owner finished and did not commit, the next one reads again, and back."""
IDLE_COMMIT_EVERY = 5.0
"""Seconds after which a partition without work commits the end of its outcome log anew, so that its next owner has little to read back."""
PARTITION_WINDOW = 5_000
"""Offsets from the lowest unfinished job of a partition to the newest taken."""
REPLAYED = 2 * PARTITION_WINDOW
"""Offsets above the committed one whose jobs a former owner may have taken: its window began at its lowest unfinished job, which may lie
above what it had committed."""


class ShardOffsets:
    """The windows of one shard's partitions under one assignment, and their commits.

    `jobs` is the topic read, `outcomes` the topic on whose same partition number outcomes are recorded; `labels` are the
    metrics' (service, lane).
    """

    def __init__(
        self,
        *,
        shard: FencedShard,
        jobs: str,
        outcomes: str,
        group: str,
        labels: tuple[str, str],
        offsets: Offsets,
        read_log: ReadLog,
        window_bytes: int,
    ) -> None:
        self._shard = shard
        self._jobs = jobs
        self._outcomes = outcomes
        self._group = group
        self._offsets = offsets
        self._read_log = read_log
        self._labels = labels
        self._ended: dict[int, dict[int, str]] = {}
        """By partition, the offsets of replayed jobs whose outcome stands, with their deliveries."""
        self._announced: dict[int, dict[int, str]] = {}
        """The same of jobs that were to be sent at most once; of those that stand in both, the outcome counts."""
        self._window_bytes = window_bytes
        self._trackers: dict[int, OffsetTracker] = {}
        self._committed: dict[int, CommittedOffset] = {}
        self._something_finished = asyncio.Event()
        self._in_flight = metrics.in_flight.labels(*labels)
        self._in_flight_bytes = metrics.in_flight_bytes.labels(*labels)

    async def begin(self) -> None:
        """Learn where logs end now, and commit at once.

        That commit shows, before the first call, that the group takes commits of this owner.
        """
        positions = self._shard.positions
        read_back_from = {jobs: read_back_position(position.metadata) for jobs, position in positions.items()}
        if unreadable := {jobs: positions[jobs] for jobs, start in read_back_from.items() if start is None}:
            raise commits_unreadable(self._group, unreadable)
        outcome_partitions = {jobs: TopicPartition(self._outcomes, jobs.partition) for jobs in positions}
        ends = await self._offsets.ends([*positions, *outcome_partitions.values()])
        for jobs, position in positions.items():
            outcome_end = ends[outcome_partitions[jobs]]
            start = read_back_from[jobs] or 0
            if start > outcome_end:
                log.warning("outcome log is shorter than it was, and is read back whole", topic=self._outcomes, partition=jobs.partition)  # fmt: skip
                start = 0
            self._trackers[jobs.partition] = OffsetTracker(
                offset=position.offset,
                outcome_position=start,
                outcome_end=outcome_end,
                replayed_below=min(ends[jobs], position.offset + REPLAYED),
            )
        self._add_to_limits(len(positions), self._window_bytes)
        await self.commit()

    async def read_back(self) -> None:
        """Learn which of the jobs that a former owner may have taken have ended, or may have been sent: before the first `take`.

        Only partitions with such jobs are read, from the position that their commit names, and of what is read at most
        `REPLAYED` offsets a partition are kept. Raises what reading raises.
        """
        replayed = {number: tracker for number, tracker in self._trackers.items() if tracker.replayed}
        if not replayed:
            return
        began, read = perf_counter(), 0
        job_records = JobRecords(self._jobs)
        places = {number: TopicPartition(self._outcomes, number) for number in replayed}
        kept = await self._offsets.starts(places.values())
        start = {
            number: max(tracker.outcomes_begin, kept[places[number]]) for number, tracker in replayed.items()
        }
        async for records in self._read_log(topic=self._outcomes, partitions=list(start), start=start):
            read += len(records)
            for record in records:
                said = job_records.read(record)
                if said is not None and said.offset in replayed[record.partition].replayed:
                    of_partition = self._ended if said.ends else self._announced
                    of_partition.setdefault(record.partition, {})[said.offset] = said.delivery_id
            self._shard.touch()
        jobs_ended = sum(map(len, self._ended.values()))
        metrics.read_back_seconds.labels(*self._labels).observe(perf_counter() - began)
        metrics.read_back_records.labels(*self._labels).inc(read)
        log.info("outcomes read back", group=self._group, partitions=sorted(start), records=read, jobs_ended=jobs_ended)  # fmt: skip

    def take(self, record: ConsumerRecord) -> None:
        """A record was read."""
        size = record.size
        self._trackers[record.partition].take(record.offset, size=size)
        self._in_flight.inc()
        self._in_flight_bytes.inc(size)

    def ended_before(self, record: ConsumerRecord, delivery_id: str) -> bool:
        """Whether the record, which was taken, is a job whose outcome stands; it is finished then."""
        if self._ended.get(record.partition, {}).get(record.offset) != delivery_id:
            return False
        metrics.jobs_ended_before.labels(*self._labels).inc()
        self.finish(record)
        return True

    def announced_before(self, record: ConsumerRecord, delivery_id: str) -> bool:
        """Whether the record is a job that a former owner was about to send at most once, and whose outcome does not stand."""
        return self._announced.get(record.partition, {}).get(record.offset) == delivery_id

    def finish(self, record: ConsumerRecord, outcome: RecordMetadata | None = None) -> None:
        """What came of the record is stored: as `outcome`, where that stands on the outcome log."""
        tracker = self._trackers[record.partition]
        if outcome is not None:
            tracker.outcome_stored(outcome.offset)
        size = tracker.finish(record.offset)
        self._in_flight.dec()
        self._in_flight_bytes.dec(size)
        self._something_finished.set()

    @property
    def full(self) -> bool:
        """Whether there is no room."""
        return self._full

    async def room(self) -> None:
        """Until every partition's window and the memory have room."""
        while self._full:
            self._something_finished.clear()
            await self._something_finished.wait()

    async def commit_regularly(self) -> None:
        """Until cancelled."""
        since_ends_were_asked = 0.0
        while True:
            await asyncio.sleep(COMMIT_EVERY)
            since_ends_were_asked += COMMIT_EVERY
            if since_ends_were_asked >= IDLE_COMMIT_EVERY:
                since_ends_were_asked = 0.0
                outcomes = [TopicPartition(self._outcomes, number) for number in self._trackers]
                for outcome_partition, end in (await self._offsets.ends(outcomes)).items():
                    self._trackers[outcome_partition.partition].outcome_end(end)
            await self.commit()
            self._shard.touch()  # a shard may hold records for long while its provider is slow

    async def commit(self) -> None:
        """Commit what has changed since the last time."""
        changed: dict[int, CommittedOffset] = {}
        for number, tracker in self._trackers.items():
            if tracker.replayed and self._shard.read_past(
                TopicPartition(self._jobs, number), tracker.replayed.stop
            ):
                tracker.end_replay()
            point = tracker.commit_point
            position = CommittedOffset(point.offset, read_back_metadata(point.outcome_position))
            if self._committed.get(number) != position:
                changed[number] = position
        if changed:
            # Noted before it is done, so that a transaction that ends meanwhile can have it forgotten.
            self._committed.update(changed)
            try:
                await self._shard.commit(self._by_partition(changed))
            except BaseException:
                self._committed.clear()  # nobody knows whether the broker has it
                raise

    def position_after(self, record: ConsumerRecord) -> dict[TopicPartition, CommittedOffset]:
        """What a transaction commits that also ends this record; call `finish_with` once the transaction stands."""
        point = self._trackers[record.partition].commit_point_after(record.offset)
        position = CommittedOffset(point.offset, read_back_metadata(point.outcome_position))
        return self._by_partition({record.partition: position})

    def finish_with(
        self, record: ConsumerRecord, positions: Mapping[TopicPartition, CommittedOffset]
    ) -> None:
        """The transaction that ended the record and committed these positions stands.

        Of these positions and what was committed meanwhile, the broker keeps what it appended later, and nobody tells us
        which. So both are forgotten, and the next commit is made even if nothing has changed since the last one.
        """
        for partition in positions:
            self._committed.pop(partition.partition, None)
        self.finish(record)

    def release(self) -> None:
        """The assignment is over: what is unfinished is the next owner's."""
        if self._trackers:
            self._add_to_limits(-len(self._trackers), -self._window_bytes)
        for tracker in self._trackers.values():
            self._in_flight.dec(len(tracker))
            self._in_flight_bytes.dec(tracker.size)
        self._trackers.clear()

    def _add_to_limits(self, partitions: int, window_bytes: int) -> None:
        metrics.in_flight_limit.labels(*self._labels).inc(partitions * PARTITION_WINDOW)
        metrics.in_flight_bytes_limit.labels(*self._labels).inc(window_bytes)

    @property
    def _full(self) -> bool:
        trackers = self._trackers.values()
        return sum(tracker.size for tracker in trackers) >= self._window_bytes or any(
            tracker.in_flight_span >= PARTITION_WINDOW for tracker in trackers
        )

    def _by_partition(
        self, positions: Mapping[int, CommittedOffset]
    ) -> dict[TopicPartition, CommittedOffset]:
        return {TopicPartition(self._jobs, number): position for number, position in positions.items()}
