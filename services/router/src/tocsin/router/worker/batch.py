"""What every step of the pipeline knows of the batch it works on."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Self

from tocsin.contracts.codec import encode
from tocsin.contracts.dead_letters import REASONS
from tocsin.contracts.events import Event
from tocsin.contracts.ids import event_key, recipient_key
from tocsin.contracts.intents import Intent
from tocsin.contracts.statuses import EventRef, RuleOutcome, decision_of, status_of
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel, Lane, Outcome, StatusName
from tocsin.kafka import Cancellations, ProducerRecord
from tocsin.observability import metrics
from tocsin.router.address_hashes import AddressHashes
from tocsin.router.policy import encode_fitting
from tocsin.router.worker.budgets import FanOutBudget
from tocsin.router.worker.dead_letter_counts import DeadLetterNote
from tocsin.router.worker.directory import PublishedDirectory
from tocsin.router.worker.spans import BatchSpans
from tocsin.runtime import LoopSlice

SERVICE: Final = "router"
PROCESSED: Final = (
    "decided",
    "fanned_out",
    "unmatched",
    "refused",
    "duplicate",
    "cancellation",
    "status_told",
)
"""What records come to, as the metric says it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneTopics:
    """The topics that a router of one lane reads and writes, and how many bytes their records may take."""

    events: str
    intents: dict[Lane, str]
    timers: str
    cancels: str
    jobs: dict[Channel, str]
    job_bytes: dict[Channel, int]
    status: str
    dead: str
    dead_bytes: int

    @classmethod
    def of(cls, lane: Lane, topics: Topics) -> Self:
        """The lane's, out of the registry."""
        largest = {topic.name: topic.max_message_bytes for topic in topics.all()}
        jobs = {channel: topics.jobs(channel, lane) for channel in Channel}
        dead = topics.dead(SERVICE)
        return cls(
            events=topics.events(lane),
            intents={other: topics.intents(other) for other in Lane},
            timers=topics.timers(lane),
            cancels=topics.cancels,
            jobs=jobs,
            job_bytes={channel: largest[name] for channel, name in jobs.items()},
            status=topics.status(lane),
            dead=dead,
            dead_bytes=largest[dead],
        )


def begin_counts_at_zero(lane: Lane) -> None:
    """Show what can be counted in this lane. Decisions are not: few of their pairs of status and rule exist."""
    metrics.begin_at_zero(metrics.processed, [SERVICE], [lane], PROCESSED)
    metrics.begin_at_zero(metrics.claims, [lane], ("claimed", "duplicate"))
    metrics.begin_at_zero(metrics.cancellations, [SERVICE], ("requested", "duplicate", "held"))
    metrics.begin_at_zero(metrics.dead_letters, [SERVICE], [lane], REASONS)


@dataclass(frozen=True, slots=True)
class BatchCounts:
    """What was done in the batch. A labelled counter costs a microsecond, so they are told the sums, once a batch."""

    processed: Counter[str] = field(default_factory=Counter)
    claims: Counter[str] = field(default_factory=Counter)
    cancellations: Counter[str] = field(default_factory=Counter)
    decisions: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By outcome and the rule that decided; by an empty rule where none held anything up."""
    workflows: Counter[tuple[str, Outcome]] = field(default_factory=Counter)
    """Notifications decided, by their workflow's key."""
    dead_letters: list[DeadLetterNote] = field(default_factory=list)

    def publish(self, lane: Lane) -> None:
        """Add them to the metrics."""
        for outcome, times in self.processed.items():
            metrics.processed.labels(SERVICE, lane, outcome).inc(times)
        for outcome, times in self.claims.items():
            metrics.claims.labels(lane, outcome).inc(times)
        for result, times in self.cancellations.items():
            metrics.cancellations.labels(SERVICE, result).inc(times)
        for (status, rule), times in self.decisions.items():
            metrics.decisions.labels(lane, status, rule).inc(times)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchContext:
    """One batch of one lane. The same for all its records; only the budgets and the counts change while it is worked on."""

    lane: Lane
    now: datetime
    """When the batch was begun: expiry is judged by it, and the batch's statuses are of this moment."""
    topics: LaneTopics
    directory: PublishedDirectory
    cancellations: Cancellations
    partition_count: int
    """How many partitions each of the lanes' topics has."""
    default_tenant: str | None
    hashes: AddressHashes
    fan_out: FanOutBudget = field(default_factory=FanOutBudget)
    loop_slice: LoopSlice = field(default_factory=LoopSlice)
    counts: BatchCounts = field(default_factory=BatchCounts)
    spans: BatchSpans = field(default_factory=BatchSpans)

    def count(self, outcome: str, rule: str | None) -> None:
        """A delivery, or a notification as a whole, came to this by this rule."""
        self.counts.decisions[outcome, rule or ""] += 1

    def decision_record(
        self, intent: Intent, outcome: Outcome, *, cause: str, rules: list[RuleOutcome], **fields: Any
    ) -> ProducerRecord:
        """A record of `status.<lane>`: what `decision_of` builds, at the batch's own time."""
        decision = decision_of(
            intent, outcome, lane=self.lane, cause=cause, at=self.now, rules=rules, **fields
        )
        decision.traceparent = self.spans.below(self.topics.status, intent.traceparent)
        key = recipient_key(intent.tenant, intent.recipient)
        return ProducerRecord(self.topics.status, key, encode_fitting(decision))

    def event_record(
        self, status: StatusName, about: EventRef, *, cause: str, at: datetime | None = None, **fields: Any
    ) -> ProducerRecord:
        """A record of `status.<lane>` about an event as a whole, at the batch's own time unless `at` says another."""
        record = status_of(status, about, lane=self.lane, cause=cause, at=at or self.now, **fields)
        record.traceparent = self.spans.below(self.topics.status, about.traceparent)
        return ProducerRecord(self.topics.status, event_key(about.tenant, about.event_id), encode(record))


def event_ref(event: Event, *, origin: str) -> EventRef:
    """What a status of the event as a whole says of it."""
    return EventRef(
        tenant=event.tenant,
        event_id=event.id,
        event_source=event.source,
        test=event.test,
        origin=origin,
        traceparent=event.traceparent,
    )
