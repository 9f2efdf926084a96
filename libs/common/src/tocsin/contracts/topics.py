"""The registry of topics: the only place that names them, their sizes, and who writes and reads each.

A topic enters when it has a writer and a reader. AsyncAPI, JSON Schemas, ACLs and `tocsin topics apply` come from here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from tocsin.contracts.cancellations import Cancellation
from tocsin.contracts.channels import CHANNELS, DISPATCHERS_WITH_DIRECTORY, KEEPERS
from tocsin.contracts.directory import DirectoryRecord
from tocsin.contracts.events import Event
from tocsin.contracts.inbox import BoxMoved
from tocsin.contracts.intents import IntentRecord
from tocsin.contracts.jobs import Job
from tocsin.contracts.statuses import StatusRecord
from tocsin.contracts.stops import RecipientVersion
from tocsin.contracts.timers import TimerRecord
from tocsin.contracts.vocabulary import Channel, Lane

MIB = 1024 * 1024
HOUR_MS = 3600 * 1000
DAY_MS = 24 * HOUR_MS
DEFAULT_PREFIX = "tocsin."
DEFAULT_PARTITIONS = 12

PRODUCERS = "producers"
"""Whoever has the right: applications outside Tocsin."""
ANYONE = "anyone"
DISPATCHERS = tuple(channel.dispatcher for channel in Channel)
SET_ASIDE = ("router", "scheduler", *DISPATCHERS)
"""The services that write dead letters."""


@dataclass(frozen=True, kw_only=True)
class Topic:
    """One topic, ready to create. `partitions` 0 means: as many as the lanes' topics have by setting."""

    name: str
    family: Literal[
        "events", "intents", "jobs", "timers", "status", "directory", "stops", "cancels", "inbox", "dead"
    ]
    record: object
    key: str
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    max_message_bytes: int
    retention_ms: int | None = None
    """None: compacted."""
    lane: Lane | None = None
    channel: Channel | None = None
    segment_ms: int | None = None
    """After this time the segment written to is closed. Only closed ones are compacted or deleted, and start-up reads what is not.
    None: as the broker has it, a week."""
    public: bool = False
    partitions: int = 0

    @property
    def compacted(self) -> bool:
        return self.retention_ms is None


@dataclass(frozen=True, kw_only=True)
class Group:
    """One consumer group, its topics, whether its commits carry an outcome position as metadata, and whether its positions lie with rows in
    its service's database (`stored`)."""

    name: str
    service: str
    topics: tuple[str, ...]
    outcome_topic: str | None = None
    stored: bool = False


def _readers_of_jobs(channel: Channel) -> tuple[str, ...]:
    """Its dispatcher. The ledger shows a tenant what its endpoints would have got for messages of test keys."""
    return (
        (channel.dispatcher, "ledger") if CHANNELS[channel].address.held_by_tenant else (channel.dispatcher,)
    )


class Topics:
    """Every topic and group under one prefix."""

    def __init__(self, prefix: str = DEFAULT_PREFIX) -> None:
        self.prefix = prefix

    def events(self, lane: Lane) -> str:
        return f"{self.prefix}events.{lane}"

    def intents(self, lane: Lane) -> str:
        return f"{self.prefix}intents.{lane}"

    def jobs(self, channel: Channel, lane: Lane) -> str:
        return f"{self.prefix}jobs.{channel}.{lane}"

    def timers(self, lane: Lane) -> str:
        return f"{self.prefix}timers.{lane}"

    def status(self, lane: Lane) -> str:
        return f"{self.prefix}status.{lane}"

    @property
    def directory(self) -> str:
        return f"{self.prefix}directory"

    @property
    def stops(self) -> str:
        return f"{self.prefix}stops"

    @property
    def cancels(self) -> str:
        return f"{self.prefix}cancels"

    @property
    def inbox(self) -> str:
        return f"{self.prefix}inbox"

    def dead(self, service: str) -> str:
        return f"{self.prefix}dead.{service}"

    def group(self, service: str, lane: Lane | Literal["dead"]) -> str:
        """A consumer group, and the head of its transactional ids: under the prefix, so that two installations on one
        cluster cannot fence each other."""
        return f"{self.prefix}{service}.{lane}"

    @property
    def relay(self) -> str:
        """The transactional id of whoever publishes the directory."""
        return f"{self.prefix}router.directory"

    def all(self) -> list[Topic]:
        """Every topic, in the order in which a message meets them."""
        return [*self._lanes(), *self._shared()]

    def _lanes(self) -> Iterator[Topic]:
        for lane in Lane:
            yield Topic(
                name=self.events(lane), family="events", lane=lane, record=Event, key="any", public=True,
                writers=(PRODUCERS, "ingest", "router"), readers=("router", "ledger"), retention_ms=7 * DAY_MS, max_message_bytes=MIB,
            )  # fmt: skip
            yield Topic(
                name=self.intents(lane), family="intents", lane=lane, record=IntentRecord, key="tenant/recipient, or tenant/event",
                writers=("router", "scheduler", *DISPATCHERS, "ledger"), readers=("router",), retention_ms=7 * DAY_MS, max_message_bytes=2 * MIB,
            )  # fmt: skip
            for channel in Channel:
                yield Topic(
                    name=self.jobs(channel, lane), family="jobs", lane=lane, channel=channel, record=Job, key="tenant/recipient",
                    writers=("router", "scheduler"), readers=_readers_of_jobs(channel), retention_ms=7 * DAY_MS, max_message_bytes=2 * MIB,
                )  # fmt: skip
            yield Topic(
                name=self.timers(lane), family="timers", lane=lane, record=TimerRecord, key="tenant/recipient",
                writers=("router", "scheduler", *DISPATCHERS), readers=("scheduler",), retention_ms=7 * DAY_MS, max_message_bytes=4 * MIB,
            )  # fmt: skip
            yield Topic(
                name=self.status(lane), family="status", lane=lane, record=StatusRecord, key="tenant/recipient, or tenant/event", public=True,
                writers=("router", *DISPATCHERS), readers=("ledger", "router", ANYONE),
                retention_ms=30 * DAY_MS, max_message_bytes=2 * MIB,
            )  # fmt: skip

    def _shared(self) -> Iterator[Topic]:
        yield Topic(
            name=self.directory, family="directory", record=DirectoryRecord, key="kind/tenant/entity", partitions=1,
            writers=("router",), readers=("ingest", "router", "ledger", *DISPATCHERS_WITH_DIRECTORY),
            max_message_bytes=2 * MIB, segment_ms=HOUR_MS,
        )  # fmt: skip
        yield Topic(
            name=self.stops, family="stops", record=RecipientVersion, key="tenant/recipient", partitions=1,
            writers=("router",), readers=("router", *DISPATCHERS), max_message_bytes=64 * 1024, segment_ms=HOUR_MS,
        )  # fmt: skip
        yield Topic(
            name=self.cancels, family="cancels", record=Cancellation, key="tenant/notification/id, or tenant/cancel/key", partitions=1,
            writers=("router",), readers=("router", *DISPATCHERS),
            retention_ms=7 * DAY_MS, max_message_bytes=64 * 1024, segment_ms=HOUR_MS,
        )  # fmt: skip
        yield Topic(
            name=self.inbox, family="inbox", record=BoxMoved, key="tenant/recipient", partitions=1,
            writers=KEEPERS, readers=KEEPERS, retention_ms=HOUR_MS, max_message_bytes=64 * 1024, segment_ms=HOUR_MS,
        )  # fmt: skip
        for service in SET_ASIDE:
            yield Topic(
                name=self.dead(service), family="dead", record=bytes, key="as it was", partitions=1,
                writers=(service,), readers=("ledger",), retention_ms=30 * DAY_MS, max_message_bytes=4 * MIB,
            )  # fmt: skip

    def groups(self) -> list[Group]:
        """Every consumer group that commits offsets; `tocsin topics apply` gives each its start."""
        return [group for lane in Lane for group in self._groups_of(lane)] + [
            Group(
                name=self.group("ledger", "dead"),
                service="ledger",
                topics=tuple(self.dead(service) for service in SET_ASIDE),
                stored=True,
            )
        ]

    def _groups_of(self, lane: Lane) -> Sequence[Group]:
        status = self.status(lane)
        return (
            Group(
                name=self.group("router", lane),
                service="router",
                topics=(self.events(lane), self.intents(lane)),
            ),
            Group(name=self.group("router-feedback", lane), service="router", topics=(status,)),
            Group(
                name=self.group("scheduler", lane),
                service="scheduler",
                topics=(self.timers(lane),),
                stored=True,
            ),
            *(
                Group(
                    name=self.group(channel.dispatcher, lane),
                    service=channel.dispatcher,
                    topics=(self.jobs(channel, lane),),
                    outcome_topic=status,
                )
                for channel in Channel
            ),
            Group(name=self.group("ledger", lane), service="ledger", topics=(status,), stored=True),
        )
