"""What ends first: at how many notifications a day each part of an installation has no more to give, computed."""

from collections.abc import Iterator
from typing import Final

import msgspec

from capacity_costs import Costs
from capacity_plan import ALONE, SHARED, Demand, Plan, plan
from capacity_record import Record
from tocsin.contracts.vocabulary import Channel, Lane

SHARDS, PARTITIONS = 4, 12
"""Of each lane, in the manifests."""
PLACES: Final = {Channel.EMAIL: 20, Channel.SMS: 64, Channel.PUSH: 64}
"""Calls at once of one process to one provider, unless the providers file says otherwise (`max_in_flight`)."""
SWEEP_PAUSE: Final = 0.1
"""Seconds that a router pauses after each 1,000 claims it has deleted."""
DISK: Final = 10e12
"""Bytes of the volume of one database, and of each of three brokers."""
BROKERS: Final = 3
LOG: Final = 200e6
"""Bytes a second that a database can write to its log and send to its replicas."""
LARGE: Final = 1e9
"""Notifications a day from which all other numbers are scaled: every lane then has full batches."""


class End(msgspec.Struct, kw_only=True, frozen=True):
    """One thing that ends. `per_day` is how many notifications it is good for."""

    what: str
    per_day: float
    lever: str
    """With its link, from docs/operations."""


def ends(record: Record, costs: Costs) -> list[End]:
    """What ends first comes first: with the mix and the peak of `Demand`, and the manifests' shards."""
    large = plan(Demand(per_day=LARGE), record, costs)
    found = [*_calls(large), *_processes(large), *_database(large, record), *_kafka(large)]
    return sorted(found, key=lambda end: end.per_day)


def _calls(large: Plan) -> Iterator[End]:
    for channel, calls in large.calls.items():
        places = PLACES[channel] * SHARDS
        yield End(
            what=f"calls to one {channel} provider: {SHARDS} processes, {PLACES[channel]} at once each, 0.1 s a call",
            per_day=LARGE * places / calls,
            lever="`max_in_flight`, and a second account ([providers](../providers.md#how-fast-and-how-much-at-once))",
        )


def _processes(large: Plan) -> Iterator[End]:
    """The busiest lane of each service."""
    lane, needed = _busiest(large, ALONE)
    yield End(
        what=f"{ALONE} on {lane}: its one writer",
        per_day=LARGE / needed,
        lever="none but a faster core; timelines lag behind in peaks, and no message waits",
    )
    for service in SHARED:
        lane, needed = _busiest(large, service)
        for count, what, lever in (
            (
                SHARDS,
                "shards",
                "more shards, up to the partitions: stop the lane for 20 s ([settings](settings.md))",
            ),
            (PARTITIONS, "partitions", "[more partitions](more-partitions.md)"),
        ):
            yield End(
                what=f"{service} on {lane}: a process on each of {count} {what}",
                per_day=LARGE * count / needed,
                lever=lever,
            )


def _busiest(large: Plan, service: str) -> tuple[Lane, float]:
    lane = max(Lane, key=lambda one: large.processes[one].get(service, 0.0))
    return lane, large.processes[lane][service]


def _database(large: Plan, record: Record) -> Iterator[End]:
    yield End(
        what=f"the ledger of {large.demand.ledger_days:.0f} days on {DISK / 1e12:.0f} TB",
        per_day=LARGE * DISK / (large.ledger_day * large.demand.ledger_days),
        lever="fewer days, older ones as files ([archive](archive.md))",
    )
    for most, what in ((large.log.high, "every page whole"), (large.log.low, "no page whole")):
        yield End(
            what=f"PostgreSQL's log at {LOG / 1e6:.0f} MB/s at the peak, {what}",
            per_day=LARGE * LOG / (most * large.demand.peak),
            lever="checkpoints further apart; `wal_compression`; one server for each schema",
        )
    seconds = max(record.database.sweep_seconds.values()) + SWEEP_PAUSE
    for routers in (1, SHARDS):
        yield End(
            what=f"claims deleted by {routers} router{'s' if routers > 1 else ''}",
            per_day=LARGE * routers * 1_000 / seconds / large.claims,
            lever="more routers: each sweeps ([claims](#claims))",
        )


def _kafka(large: Plan) -> Iterator[End]:
    for most, what in ((large.kafka.high, "messages come one by one"), (large.kafka.low, "batches are full")):
        yield End(
            what=f"Kafka on {BROKERS} brokers of {DISK / 1e12:.0f} TB, {what}",
            per_day=LARGE * BROKERS * DISK / most,
            lever="more brokers, or fewer days of `status` (keep more than the ledger was ever away for)",
        )
