"""What all shards of one lane share."""

from collections.abc import Callable
from typing import Final

from tocsin.channel.attempts import Attempts
from tocsin.channel.copy_watch import CopyWatch
from tocsin.channel.deferral import Defer, DeferralPolicy
from tocsin.channel.hand_off_metrics import HandOffMetrics
from tocsin.channel.outcome_log import ReadingBack, ReadLog
from tocsin.channel.preparation import Preparation
from tocsin.channel.provider_pool import ProviderPool
from tocsin.channel.recipient_versions import RecipientVersions
from tocsin.contracts.jobs import Job
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel, Lane, Reason
from tocsin.kafka import Cancellations, InvalidRecordLimit, Offsets, Publisher
from tocsin.observability import metrics
from tocsin.runtime import NO_FAILPOINTS, Clock, Failpoints, Health

DEFERRING: Final = (
    Reason.RECHECK,
    Reason.SET_ASIDE,
    Reason.CREDENTIALS_REFUSED,
    Reason.SENDER_REFUSED,
    Reason.RECIPIENT_REFUSED,
    Reason.UNREACHABLE,
    Reason.ATTACHMENT_UNREACHABLE,
    Reason.THROTTLED,
    Reason.PROVIDER_ERROR,
)
"""For what deliveries are put off."""


TurnOf = Callable[[Job, bytes], bytes | None]
"""The turn of a delivery (see `Delivery.turn`), by its job and its recipient's key."""


def recipients_turn(_: Job, key: bytes) -> bytes:
    """A recipient's deliveries go one after the other."""
    return key


class LaneContext:
    """The names of one lane of one channel, and what a ShardDelivery works with. No attribute is set anew while it works.

    `send_timeout` in seconds bounds a provider call (see Attempts), `window_bytes` the jobs that one shard holds.
    """

    def __init__(
        self,
        *,
        channel: Channel,
        lane: Lane,
        topics: Topics,
        pool: ProviderPool,
        publisher: Publisher,
        offsets: Offsets,
        read_log: ReadLog,
        health: Health,
        versions: RecipientVersions,
        cancellations: Cancellations,
        copy: CopyWatch,
        clock: Clock,
        send_timeout: float,
        deferral: DeferralPolicy,
        window_bytes: int,
        turn_of: TurnOf = recipients_turn,
        preparation: Preparation | None = None,
        failpoints: Failpoints = NO_FAILPOINTS,
    ) -> None:
        self.lane = lane
        self.preparation = preparation
        self.turn_of = turn_of
        self.service = channel.dispatcher
        self.group = topics.group(self.service, lane)
        self.jobs = topics.jobs(channel, lane)
        self.status = topics.status(lane)
        self.intents = topics.intents(lane)
        self.timers = topics.timers(lane)
        self.dead = topics.dead(self.service)
        self.dead_bytes = next(topic.max_message_bytes for topic in topics.all() if topic.name == self.dead)
        self.pool = pool
        self.limit = pool.lane_limits[lane]
        self.copy = copy
        self.attempts = Attempts(
            channel=channel,
            lane=lane,
            pool=pool,
            versions=versions,
            cancellations=cancellations,
            copy=copy,
            send_timeout=send_timeout,
            deferral=deferral,
            clock=clock,
            failpoints=failpoints,
        )
        self.invalid_records = InvalidRecordLimit(group=self.group)
        self.publisher = publisher
        self.offsets = offsets
        self.read_log = read_log
        self.reading_back = ReadingBack(health.check(f"outcome log {self.lane.value}"))
        self.clock = clock
        self.window_bytes = window_bytes
        self.failpoints = failpoints
        self.being_prepared = metrics.being_prepared.labels(self.service, lane)
        self.waiting_for_copy = metrics.waiting_for_copy.labels(self.service, lane)
        self.hand_off = HandOffMetrics(channel, lane, clock, no_provider_works=lambda: pool.out_of_order)
        metrics.begin_at_zero(metrics.dead_letters, [self.service], [lane], [Reason.RECORD_UNREADABLE])
        metrics.begin_at_zero(metrics.deferrals, [self.service], [lane], DEFERRING)
        self.stage_seconds = {
            stage: metrics.stage_seconds.labels(self.service, lane, stage)
            for stage in ("wait", "send", "record")
        }

    def observe_deferral(self, defer: Defer) -> None:
        """Into the metrics: a delivery is put off."""
        metrics.deferrals.labels(self.service, self.lane, defer.reason).inc()
        wait = max(0.0, (defer.due - self.clock.now()).total_seconds())
        metrics.deferral_seconds.labels(self.service, self.lane).observe(wait)
