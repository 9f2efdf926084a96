"""A dispatcher, put together: what every channel's service is made of."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from tocsin.channel.copy_watch import CopyWatch
from tocsin.channel.lane_context import LaneContext, TurnOf, recipients_turn
from tocsin.channel.preparation import Preparation, no_files
from tocsin.channel.provider_config import ProviderKind
from tocsin.channel.provider_pool import ProviderPool
from tocsin.channel.recipient_versions import RecipientVersions
from tocsin.channel.ref_settings import ref_keys
from tocsin.channel.settings import DispatcherSettings
from tocsin.channel.shard_delivery import ShardDelivery
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.kafka import (
    Cancellations,
    ConsumerGroup,
    ConsumerRecord,
    CopyAge,
    Fenced,
    FencedShard,
    KafkaCluster,
    Offsets,
    Publisher,
    Replica,
    read_to_end,
    timeouts_for,
)
from tocsin.observability import metrics
from tocsin.runtime import Api, Clock, Component, FunctionComponent, Health, Service, SystemClock, arm
from tocsin.web.operations import operations_app


class Dispatcher:
    """One channel's dispatcher. Raises ProvidersInvalid when the file of provider instances cannot be used.

    A channel whose addresses stand on a topic has `copy` read it. One whose messages need something before they can be handed over has a
    `preparation`.
    """

    def __init__(
        self,
        *,
        channel: Channel,
        settings: DispatcherSettings,
        kinds: Mapping[str, ProviderKind[Any]],
        turn_of: TurnOf = recipients_turn,
        preparation: Preparation | None = None,
    ) -> None:
        self._turn_of = turn_of
        self._preparation = preparation
        self.channel = channel
        self.settings = settings
        self.clock: Clock = SystemClock()
        self.health = Health(service=channel.dispatcher)
        self.topics = Topics(settings.kafka.topic_prefix)
        self.versions = RecipientVersions()
        metrics.recipient_versions.labels(channel.dispatcher).set_function(partial(len, self.versions))
        self.stops = Replica(
            settings=settings.kafka,
            topic=self.topics.stops,
            apply=self.versions.apply,
            health=self.health,
        )
        self.stops_age = CopyAge(settings=settings.kafka, copy=self.stops, clock=self.clock)
        self.cancellations = Cancellations(service=channel.dispatcher)
        self.cancels = Replica(
            settings=settings.kafka,
            topic=self.topics.cancels,
            apply=self.cancellations.apply,
            health=self.health,
        )
        self.cancels_age = CopyAge(settings=settings.kafka, copy=self.cancels, clock=self.clock)
        self._copies: list[Replica] = []
        ages = {"stops": self.stops_age, "cancels": self.cancels_age}
        self.copy = CopyWatch(ages=ages, health=self.health, clock=self.clock)
        self.pool = ProviderPool(
            channel=channel,
            path=settings.providers_file,
            kinds=kinds,
            lanes=settings.lanes,
            max_unrecorded=settings.max_unrecorded,
            health=self.health,
            ref_keys=ref_keys(settings.ref_keys),
            files_of=no_files if preparation is None else preparation.files_of,
            processes=settings.instances,
            clock=self.clock,
        )
        self._limits = {topic.name: topic.max_message_bytes for topic in self.topics.all()}
        self.publisher = Publisher(settings=settings.kafka, health=self.health, limits=self._limits)
        self.offsets = Offsets(settings=settings.kafka)
        self._cluster = KafkaCluster(settings.kafka)
        self._failpoints = arm(settings.failpoints)

    def copy_topic(self, topic: str, apply: Callable[[ConsumerRecord], None]) -> None:
        """Have `apply` take every record of a compacted topic: all that are there before the first job is read."""
        self._copies.append(
            Replica(settings=self.settings.kafka, topic=topic, apply=apply, health=self.health)
        )

    def service(
        self,
        *,
        first: Sequence[Component] = (),
        last: Sequence[Component] = (),
        api: Api | None = None,
    ) -> Service:
        """What `tocsin.runtime.main` runs. `first` is what the providers need, `last` what needs the publisher; `api` is
        what callers reach, where there is anything."""
        operations = operations_app(
            name=self.channel.dispatcher,
            health=self.health,
            pages={"/internal/providers": lambda: {"providers": self.pool.views()}},
        )
        components = [*first, *self.components(), *last]
        return Service(operations=operations, health=self.health, api=api, components=components)

    def components(self) -> list[Component]:
        """Everything that runs. Closed in reverse: providers and publisher outlive the work of every shard."""
        return [
            self.pool,
            *self._copies,
            self.stops,
            self.stops_age,
            self.cancels,
            self.cancels_age,
            FunctionComponent(name="watch over the copies", run=self.copy.run),
            self.publisher,
            FunctionComponent(name="offsets", open=self.offsets.open, close=self.offsets.close),
            *(self._group(lane) for lane in self.settings.lanes),
        ]

    def _group(self, lane: Lane) -> ConsumerGroup[FencedShard]:
        settings, timeouts = self.settings, timeouts_for(lane)
        # Of a shard's bytes two thirds are for jobs that were taken, and one for records fetched and not taken yet.
        bytes_of_shard = settings.window_bytes // (len(settings.lanes) * settings.shards)
        context = LaneContext(
            channel=self.channel,
            lane=lane,
            topics=self.topics,
            pool=self.pool,
            publisher=self.publisher,
            offsets=self.offsets,
            read_log=partial(read_to_end, settings=settings.kafka),
            health=self.health,
            versions=self.versions,
            cancellations=self.cancellations,
            copy=self.copy,
            clock=self.clock,
            send_timeout=timeouts.send_timeout,
            deferral=settings.deferral(),
            window_bytes=bytes_of_shard * 2 // 3,
            turn_of=self._turn_of,
            preparation=self._preparation,
            failpoints=self._failpoints,
        )

        async def work(shard: FencedShard) -> None:
            await ShardDelivery(context, shard).run()

        return ConsumerGroup(
            cluster=self._cluster,
            group=context.group,
            topics=[context.jobs],
            written=[context.status, context.intents, context.timers],
            ownership=Fenced(
                cluster=self._cluster,
                shards=settings.shards,
                limits=self._limits,
                failpoints=self._failpoints,
            ),
            work=work,
            health=self.health,
            clock=self.clock,
            timeouts=timeouts,
            buffer_bytes=bytes_of_shard // 3,
            failpoints=self._failpoints,
        )
