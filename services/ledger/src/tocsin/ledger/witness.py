"""The witness: tells what each consumer group leaves unread, whoever its members are and whether it has any.

It belongs to no group, holds no shard and needs no database. While Kafka does not answer, the last values stand, and what waited ages; so
they do of a partition that nobody leads, and of a group that nobody coordinates, while all others are seen.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from pydantic import Field

from tocsin.contracts.topics import Topics
from tocsin.kafka import GroupView, GroupWitness, KafkaFault, KafkaSettings, TopicPartition, Unread
from tocsin.kafka.lag import kind_and_lane, service_and_lane
from tocsin.observability import get_logger, metrics
from tocsin.runtime import Clock, Health, ServiceSettings

log = get_logger(__name__)

PERIOD: Final = 5.0
"""Seconds between two looks. A look at 24 groups takes about 50 requests."""
PATIENCE: Final = 15.0
"""Seconds for a look before Kafka counts as silent. The first one reads a record of every partition in which something waits."""

COMPONENT: Final = "ledger"
NOTHING: Final = Unread(0, None)
NAMED: Final = 8
"""Partitions that a line of log names: a broker may have led hundreds."""

Labels = tuple[str, str, str]
"""Component, lane and kind of topic."""


class WitnessSettings(ServiceSettings):
    """Kafka to look at; a witness keeps nothing."""

    kafka: KafkaSettings = Field(default_factory=KafkaSettings, description="The brokers")


class Witness:
    """A component. Its process is ready while it sees."""

    name: Final = "witness"

    def __init__(self, *, settings: KafkaSettings, health: Health, clock: Clock) -> None:
        topics = Topics(settings.topic_prefix)
        self._groups = GroupWitness(
            settings=settings, groups={group.name: group.topics for group in topics.groups()}, clock=clock
        )
        self._prefix = settings.topic_prefix
        self._check = health.check("kafka")
        self._clock = clock
        self._opened = False
        self._up = metrics.witness_up.labels(COMPONENT)
        self._last_look = clock.monotonic()
        self._oldest_ms: dict[Labels, int | None] = {}
        self._unseen: list[TopicPartition] = []

    async def open(self) -> None:
        """Nothing yet: a witness that starts while Kafka is away says so on /metrics."""
        self._up.set(0)

    async def run(self, stop: asyncio.Event) -> None:
        """Look every five seconds until `stop`."""
        while not stop.is_set():
            await self._look()
            self._show_ages()
            try:
                await asyncio.wait_for(stop.wait(), PERIOD)
            except TimeoutError:
                continue

    async def close(self) -> None:
        """Disconnect."""
        self._opened = False
        await self._groups.close()

    async def _look(self) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                if not self._opened:
                    await self._groups.open()
                    self._opened = True
                views = await self._groups.look()
        except (KafkaFault, TimeoutError) as error:
            reason = str(error) or f"Kafka has not answered for {PATIENCE:g} s."
            await self.close()
            if self._check.reason != reason:
                log.warning("the witness does not see the groups", reason=reason)
            self._check.set_not_ready(reason)
            self._up.set(0)
            return
        self._last_look = self._clock.monotonic()
        self._show(views)
        self._tell_unseen(views)
        self._check.set_ready()
        self._up.set(1)

    def _show(self, views: Mapping[str, GroupView]) -> None:
        waiting: dict[Labels, int] = defaultdict(int)
        unseen: dict[Labels, int] = defaultdict(int)
        oldest: dict[Labels, int | None] = {}
        for group, view in views.items():
            component, lane = service_and_lane(group, prefix=self._prefix)
            if view.members is not None:
                metrics.group_members.labels(component, lane).set(view.members)
            for partition in view.unread.keys() | view.unseen:
                kind, _ = kind_and_lane(partition.topic, prefix=self._prefix)
                labels = (component, lane, kind)
                unread = view.unread.get(partition, NOTHING)
                waiting[labels] += unread.records
                unseen[labels] += partition in view.unseen
                moments = [moment for moment in (oldest.get(labels), unread.oldest_ms) if moment is not None]
                oldest[labels] = min(moments, default=None)
        for labels, records in waiting.items():
            metrics.group_lag_messages.labels(*labels).set(records)
            metrics.group_unseen_partitions.labels(*labels).set(unseen[labels])
        self._oldest_ms = oldest

    def _tell_unseen(self, views: Mapping[str, GroupView]) -> None:
        """Which partitions cannot be looked at, when it has become others."""
        unseen = sorted({partition for view in views.values() for partition in view.unseen})
        if unseen == self._unseen:
            return
        self._unseen = unseen
        if unseen:
            names = [f"{partition.topic}/{partition.partition}" for partition in unseen[:NAMED]]
            log.warning(
                "the witness does not see some partitions", partitions=", ".join(names), count=len(unseen)
            )
        else:
            log.info("the witness sees every partition again")

    def _show_ages(self) -> None:
        now = self._clock.time_ms()
        for labels, moment in self._oldest_ms.items():
            age = 0.0 if moment is None else max(0.0, (now - moment) / 1000)
            metrics.group_oldest_seconds.labels(*labels).set(age)
        age = self._clock.monotonic() - self._last_look
        metrics.witness_look_age_seconds.labels(COMPONENT).set(age)
