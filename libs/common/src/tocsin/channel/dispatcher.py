"""A dispatcher, put together: the parts every channel's service opens, in order."""

import asyncio
import sys
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeVar

from tocsin.channel.attempts import Attempts, Route
from tocsin.channel.delivery import DeliveryLoop
from tocsin.channel.gate import Gate
from tocsin.channel.instances import ProviderKind, Registry
from tocsin.channel.provider import Provider
from tocsin.channel.sandbox import Sandbox
from tocsin.channel.settings import DispatcherSettings
from tocsin.channel.stop_table import StopTable
from tocsin.contracts.jobs import Job
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.kafka import (
    ConsumerGroup,
    Fenced,
    FencedShard,
    KafkaCluster,
    Offsets,
    Publisher,
    Replica,
    timeouts_for,
)
from tocsin.runtime import Clock, Component, Health, Service, SystemClock, main

RESERVED_SHARE = 4
"""One in so many of a provider's places is kept for the critical lane."""


S = TypeVar("S", bound=DispatcherSettings)


def run_dispatcher(
    *,
    channel: Channel,
    settings: type[S],
    kinds: Mapping[str, ProviderKind[Any]],
    app: Callable[..., Any],
) -> NoReturn:
    """What a dispatcher's `__main__` does. `app(name=, health=)` makes its HTTP surface (`tocsin.web.service_app`)."""
    name = channel.dispatcher

    def build(loaded: S) -> Service:
        health = Health(service=name)
        components = dispatcher_components(channel=channel, settings=loaded, kinds=kinds, health=health)
        return Service(app=app(name=name, health=health), health=health, components=components)

    summary = f"Hands {channel} jobs to providers: {', '.join(sorted(kinds))}."
    sys.exit(main(name=name, settings=settings, build=build, summary=summary))


def dispatcher_components(
    *,
    channel: Channel,
    settings: DispatcherSettings,
    kinds: Mapping[str, ProviderKind[Any]],
    health: Health,
    clock: Clock | None = None,
) -> list[Component]:
    """Everything a dispatcher runs. Raises ProvidersInvalid when the file of provider instances cannot be used."""
    clock = clock or SystemClock()
    topics = Topics(settings.kafka.topic_prefix)
    limits = {topic.name: topic.max_message_bytes for topic in topics.all()}
    stops = StopTable()
    registry = Registry(path=settings.providers_file, kinds=kinds, clock=clock)
    publisher = Publisher(settings=settings.kafka, health=health, limits=limits)
    offsets = Offsets(settings=settings.kafka)
    cluster = KafkaCluster(settings.kafka)
    share = settings.window_bytes // (len(settings.lanes) * settings.slots)
    route = _router(registry, Sandbox(channel=channel))

    def group(lane: Lane) -> ConsumerGroup[FencedShard]:
        timeouts = timeouts_for(lane)
        loop = DeliveryLoop(
            channel=channel,
            lane=lane,
            topics=topics,
            attempts=Attempts(
                channel=channel, lane=lane, route=route, call_timeout=timeouts.send_timeout, clock=clock
            ),
            publisher=publisher,
            offsets=offsets,
            stops=stops,
            clock=clock,
            max_in_flight=settings.max_in_flight,
            window_bytes=share * 2 // 3,
        )
        return ConsumerGroup(
            cluster=cluster,
            group=loop.group,
            topics=[topics.jobs(channel, lane)],
            ownership=Fenced(cluster=cluster, shards=settings.slots, limits=limits),
            work=loop.work,
            timeouts=timeouts,
            health=health,
            clock=clock,
            buffer_bytes=share // 3,
        )

    return [
        registry,
        Replica(settings=settings.kafka, topic=topics.stops, apply=stops.apply, health=health),
        publisher,
        _Connection("offsets", offsets),
        *(group(lane) for lane in settings.lanes),
    ]


def _router(registry: Registry, sandbox: Provider) -> Route:
    """Test jobs go to the sandbox; all others to the first provider they name that exists here."""
    gates: dict[str, tuple[int, Gate]] = {}

    def gate_of(name: str, limit: int) -> Gate:
        known = gates.get(name)
        if known is None or known[0] != limit:  # new, or configured anew
            known = limit, Gate(limit=limit, reserved=limit // RESERVED_SHARE)
            gates[name] = known
        return known[1]

    def route(job: Job) -> tuple[Provider, Gate] | None:
        if job.test:
            return sandbox, gate_of(sandbox.name, 1_000)
        instance = registry.of(job.providers)
        return None if instance is None else (instance, gate_of(instance.name, instance.max_in_flight))

    return route


class _Connection:
    """A client that only needs to be opened and closed, as a component."""

    def __init__(self, name: str, client: Offsets) -> None:
        self.name = name
        self._client = client

    async def open(self) -> None:
        await self._client.open()

    async def run(self, stop: asyncio.Event) -> None:
        await stop.wait()

    async def close(self) -> None:
        await self._client.close()
