"""Where a message spends its time between request and hand-off, by the broker's own clock."""

from collections.abc import Mapping

import logs
from figures import percentile
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.kafka import ConsumerRecord, KafkaSettings
from tocsin.testing.log_ends import log_ends


class Hops:
    """`begin` before the load, `medians` after it: all times are the log append times of events and jobs."""

    def __init__(self, settings: KafkaSettings, lane: Lane) -> None:
        topics = Topics(settings.topic_prefix)
        self._settings = settings
        self._events = topics.events(lane)
        self._jobs = topics.jobs(Channel.EMAIL, lane)
        self._starts: dict[str, dict[int, int]] = {}

    async def begin(self) -> None:
        """What stands in the topics now is not looked at."""
        self._starts = {topic: await log_ends(self._settings, topic) for topic in (self._events, self._jobs)}

    async def medians(self, planned: Mapping[str, float], arrived: Mapping[str, float]) -> dict[str, float]:
        """Milliseconds of each hop, the median of all messages; the medians need not add up to the whole's."""
        stored = {
            notification: event.timestamp_ms / 1000
            for event in await self._read(self._events)
            for _, notification in logs.messages(event)
        }
        written = {
            logs.notified(record): record.timestamp_ms / 1000 for record in await self._read(self._jobs)
        }
        known = [
            notification
            for notification in planned
            if notification in stored and notification in written and notification in arrived
        ]
        hops = {
            "ingest: planned to stored event, ms": [
                stored[notification] - planned[notification] for notification in known
            ],
            "router: stored event to written job, ms": [
                written[notification] - stored[notification] for notification in known
            ],
            "commit and dispatch-email: written job to hand-off, ms": [
                arrived[notification] - written[notification] for notification in known
            ],
        }
        return {name: percentile(waits, 0.5) * 1000 for name, waits in hops.items() if waits}

    async def _read(self, topic: str) -> list[ConsumerRecord]:
        return await logs.read(self._settings, topic, start=self._starts[topic])
