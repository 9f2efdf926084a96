"""One batch of a lane: read, claim, look up, decide; what it returns commits together with its offsets."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from time import perf_counter
from typing import Final

from tocsin.contracts.codec import Unreadable, decode_intent, fault_in
from tocsin.contracts.ids import recipient_key
from tocsin.contracts.intents import Continuation, Intent
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Lane, Reason, StatusName
from tocsin.kafka import (
    NO_FAILPOINTS,
    Batch,
    Failpoints,
    InvalidRecordLimit,
    Outgoing,
    Part,
    Record,
    partition_for,
)
from tocsin.observability import get_logger, metrics, record_span, recording, tracing_on
from tocsin.router.policy import Facts
from tocsin.router.worker.audience import recipient_id
from tocsin.router.worker.breathing import Breath
from tocsin.router.worker.dead_letters import SERVICE, dead_letter
from tocsin.router.worker.deliveries import Decider, Undecided, people_of
from tocsin.router.worker.directory import PublishedDirectory
from tocsin.router.worker.event_endings import duplicates, of_event
from tocsin.router.worker.fan_out import Room, fan_out, fan_out_span, intent_for
from tocsin.router.worker.handled import (
    ClaimsIdentities,
    Duplicate,
    Handled,
    KnowsPeople,
    Partitions,
    Read,
    Rest,
    Unread,
    to_claim,
    trace_of,
)
from tocsin.router.worker.lookups import Who
from tocsin.router.worker.reading import Plan, Refusal, plan_rest, read_event
from tocsin.router.worker.share import Share
from tocsin.router.worker.statuses import StatusWriter
from tocsin.runtime import Clock

log = get_logger(__name__)

CLAIMED: Final = "claimed"


class Router:
    """`process` is what `ExactlyOnce` calls for one lane. Failpoint of its own: `after_claim`."""

    def __init__(
        self,
        *,
        lane: Lane,
        topics: Topics,
        directory: PublishedDirectory,
        claims: ClaimsIdentities,
        lookups: KnowsPeople,
        decider: Decider,
        partitions: Partitions,
        clock: Clock,
        default_tenant: str | None = None,
        failpoints: Failpoints = NO_FAILPOINTS,
    ) -> None:
        self._lane: Final = lane
        self._topics = topics
        self._directory = directory
        self._claims = claims
        self._lookups = lookups
        self._decider = decider
        self._invalid = InvalidRecordLimit(group=topics.group(SERVICE, lane))
        self._partitions = partitions
        self._clock = clock
        self._default_tenant = default_tenant
        self._failpoints = failpoints
        self._events = topics.events(lane)
        self._dead = topics.dead(SERVICE)
        self._dead_largest = next(one.max_message_bytes for one in topics.all() if one.name == self._dead)
        self._stages = {
            stage: metrics.stage_seconds.labels(SERVICE, lane, stage)
            for stage in ("read", "claim", "look_up", "decide")
        }
        self._age = metrics.message_age_seconds.labels(SERVICE, lane)
        self._outcomes: Counter[str] = Counter()
        self._claimed: Counter[str] = Counter()

    async def process(self, batch: Batch) -> Part:
        """What follows from the batch, or, when deciding takes long or writes much, from its first records: they commit
        before the others are decided. Raises when the database is away, or too many intents are invalid."""
        breath, now, began = Breath(), self._clock.now(), perf_counter()
        read: list[tuple[Record, Read]] = []
        for record in batch.records:
            read.append((record, self._read(record)))
            if breath.due:
                await breath.take()
        traced = [trace for _, one in read if recording(trace := trace_of(one))] if tracing_on() else []
        began = self._took("read", began, traced)
        keys = [to_claim(one) for _, one in read]
        owners = await self._claims.claim(
            (key, record.ref) for key, (record, _) in zip(keys, read, strict=True) if key is not None
        )
        await self._failpoints.reach("after_claim")
        began = self._took("claim", began, traced)
        todo = [
            (record, self._narrowed(record, one, key, owners))
            for key, (record, one) in zip(keys, read, strict=True)
        ]
        people = {who for _, one in todo if isinstance(one, Undecided) for who in people_of(one.intent)}
        facts = await self._lookups.facts(people)
        began = self._took("look_up", began, traced)
        out: list[Outgoing] = []
        room, done, share = Room(), 0, Share(clock=self._clock)
        for record, one in todo:
            if done and not share.left:
                break
            writer = StatusWriter(
                topic=self._topics.status(self._lane), lane=self._lane, cause=record.ref, now=now
            )
            follows = await self._follows(
                record, one, facts=facts, writer=writer, room=room, now=now, breath=breath
            )
            share.take(follows)
            out += follows
            done += 1
            if breath.due:
                await breath.take()
        invalid = sum(isinstance(one, Unread) for _, one in todo[:done])
        intents = sum(record.topic != self._events for record, _ in todo[:done])
        self._invalid.saw(valid=intents - invalid, invalid=invalid)
        self._took("decide", began)
        self._count()
        return Part(out, records=done)

    def _read(self, record: Record) -> Read:
        if record.topic == self._events:
            return read_event(
                record, lane=self._lane, directory=self._directory, default_tenant=self._default_tenant
            )
        try:
            intent = decode_intent(record.value or b"")
        except Unreadable as error:
            return Unread(f"The record is no intent of this release: {fault_in(error)}.")
        if isinstance(intent, Intent):
            return Undecided(intent, "checked before")
        return self._rest(intent)

    def _rest(self, rest: Continuation) -> Read:
        plan = plan_rest(rest, directory=self._directory)
        return plan if isinstance(plan, Refusal) else Rest(plan, cursor=rest.cursor, origin=rest.origin)

    def _narrowed(self, record: Record, one: Read, key: bytes | None, owners: Mapping[bytes, str]) -> Handled:
        """A plan becomes a duplicate, or, where it may be decided at once, its one intent."""
        if not isinstance(one, Plan) or key is None:
            return one
        owner = owners[key]
        if owner != record.ref:
            return Duplicate(one, owner)
        if not self._at_once(record, one):
            return one
        target = one.targets[0]
        intent = intent_for(one, target, target.recipients[0], origin=record.ref, cause=record.ref)
        return Undecided(intent, CLAIMED, target.decoded)

    def _at_once(self, record: Record, plan: Plan) -> bool:
        """One recipient, in its own partition already, on this lane, by one workflow that did not share the event."""
        if len(plan.targets) != 1 or plan.refusals:
            return False
        target = plan.targets[0]
        if len(target.recipients) != 1 or target.lane is not self._lane:
            return False
        key = recipient_key(plan.event.tenant, recipient_id(target.recipients[0]))
        return partition_for(key, self._partitions.count) == record.partition

    async def _follows(
        self,
        record: Record,
        one: Handled,
        *,
        facts: Mapping[Who, Facts],
        writer: StatusWriter,
        room: Room,
        now: datetime,
        breath: Breath,
    ) -> list[Outgoing]:
        match one:
            case Undecided():
                self._claimed["claimed"] += one.claim == CLAIMED
                self._age.observe(max(0.0, (now - one.intent.event_time).total_seconds()))
                self._ended("decided")
                return await self._decider.decide(
                    one, facts, writer=writer, cause=record.ref, now=now, breath=breath
                )
            case Duplicate():
                self._claimed["duplicate"] += 1
                self._ended("duplicate")
                return duplicates(record, one, writer, room)
            case Plan():
                self._claimed["claimed"] += bool(one.targets)
                return self._planned(record, one, writer=writer, room=room, now=now)
            case Rest():
                self._ended("fanned_out")
                with fan_out_span(one.plan, self._lane):
                    return self._fanned_out(record, one.plan, start=one.cursor, origin=one.origin, room=room)
            case Refusal():
                return self._refused(record, [one], writer=writer, now=now)
            case Unread():
                return [self._dead_letter(record, Reason.RECORD_UNREADABLE, one.detail, tenant="", now=now)]

    def _planned(
        self, record: Record, plan: Plan, *, writer: StatusWriter, room: Room, now: datetime
    ) -> list[Outgoing]:
        out: list[Outgoing] = []
        if plan.refusals:
            out += self._refused(record, plan.refusals, writer=writer, now=now)
        if not plan.targets and not plan.refusals:
            self._ended("unmatched")
            out.append(of_event(StatusName.EVENT_UNMATCHED, record, plan, writer))
        if plan.targets:
            self._ended("fanned_out")
            with fan_out_span(plan, self._lane):
                out.append(of_event(StatusName.EVENT_ACCEPTED, record, plan, writer, at_event=True))
                out += self._fanned_out(record, plan, start=0, origin=record.ref, room=room)
        return out

    def _fanned_out(
        self, record: Record, plan: Plan, *, start: int, origin: str, room: Room
    ) -> list[Outgoing]:
        return [
            outgoing
            for target in plan.targets
            for outgoing in fan_out(
                plan, target, start=start, room=room, topics=self._topics, origin=origin, cause=record.ref
            )
        ]

    def _refused(
        self,
        record: Record,
        refusals: list[Refusal],
        *,
        writer: StatusWriter,
        now: datetime,
    ) -> list[Outgoing]:
        """One dead letter and, where the event says whose it is, one status, whatever the number of workflows."""
        self._ended("refused")
        first = refusals[0]
        detail = " ".join(
            f"{one.workflow}: {one.detail}" if one.workflow else one.detail for one in refusals
        )[:1000]
        out = [self._dead_letter(record, first.reason, detail, tenant=first.tenant, now=now)]
        if first.tenant and first.event_id and self._directory.tenant(first.tenant) is not None:
            out.append(
                writer.of_event(
                    StatusName.EVENT_REFUSED, tenant=first.tenant, event_id=first.event_id, origin=record.ref,
                    event=first.event, reason=first.reason, detail=detail, workflow=first.workflow,
                )
            )  # fmt: skip
        return out

    def _dead_letter(
        self, record: Record, reason: Reason, detail: str, *, tenant: str, now: datetime
    ) -> Outgoing:
        metrics.dead_letters.labels(SERVICE, self._lane, reason).inc()
        log.warning(
            "dead letter", lane=self._lane.value, reason=reason.value, origin=record.ref, tenant=tenant
        )
        return dead_letter(
            record,
            topic=self._dead,
            largest=self._dead_largest,
            reason=reason,
            detail=detail,
            tenant=tenant,
            now=now,
        )

    def _ended(self, outcome: str) -> None:
        self._outcomes[outcome] += 1

    def _count(self) -> None:
        """The batch's numbers into the metrics: once a batch, as a labelled counter costs a microsecond."""
        for outcome, times in self._outcomes.items():
            metrics.processed.labels(SERVICE, self._lane, outcome).inc(times)
        for outcome, times in self._claimed.items():
            metrics.claims.labels(self._lane, outcome).inc(times)
        self._outcomes.clear()
        self._claimed.clear()
        self._decider.count()

    def _took(self, stage: str, began: float, traced: Iterable[str | None] = ()) -> float:
        """A stage of the whole batch ended; each of the records that are `traced` went through it."""
        now = perf_counter()
        self._stages[stage].observe(now - began)
        for traceparent in traced:
            record_span(stage, traceparent, seconds=now - began, lane=self._lane.value)
        return now
