"""A copy of `stops` while the relay is gone: it stays young, for nobody has to write anything, and what was published holds."""

import httpx
import pytest

from tocsin.channel import copy_watch
from tocsin.channel.copy_watch import CopyWatch
from tocsin.channel.recipient_versions import RecipientVersions
from tocsin.contracts.topics import Topics
from tocsin.kafka import CopyAge, KafkaSettings, Replica
from tocsin.router.relay import Relay
from tocsin.runtime import FunctionComponent, Health, SystemClock
from tocsin.testing.running import running
from tocsin.testing.until import until

from .conftest import Directory, fill, published

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

BOUND = 1.5


async def test_it_stays_young_longer_than_the_bound(
    *,
    acme: httpx.AsyncClient,
    directory: Directory,
    relay: Relay,
    kafka: KafkaSettings,
    topics: Topics,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(copy_watch, "MAX_AGE", BOUND)
    monkeypatch.setattr(copy_watch, "LOOK", 0.1)
    versions, health, clock = RecipientVersions(), Health(service="test"), SystemClock()
    replica = Replica(settings=kafka, topic=topics.stops, apply=versions.apply, health=health)
    age = CopyAge(settings=kafka, copy=replica)
    watch = CopyWatch(ages={"stops": age}, health=health, clock=clock)
    async with running(replica), running(age), running(FunctionComponent(name="watch", run=watch.run)):
        async with running(relay):
            await fill(acme)
            await published(directory)
        gone_at = clock.monotonic()
        await until(lambda: clock.monotonic() > gone_at + 2 * BOUND)
        await until(lambda: watch.fresh)
        assert age.seconds() < clock.monotonic() - gone_at, (
            "as of a moment at which the relay was gone already"
        )
        assert versions.is_stale(b"acme/a/b", version=0)
