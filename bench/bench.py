"""How fast is it, and what is the time made of? A quarter of an hour on a real Kafka and a real PostgreSQL, all on this machine.

`python bench/bench.py [--runs N] [--only PART …] [--json FILE]` measures each stage alone, what others do (`bench/peers`), the whole path, a
campaign, latency over load and lanes. Each part is written as soon as it is done. A run that lost, doubled or reordered a message ends with exit code 1 and says which; a
target that is missed is only said. The JSON goes to `bench/results/` unless FILE is given.
"""

import argparse
import sys
from functools import partial
from pathlib import Path

import record
from ceilings import measure as ceilings
from lanes import BesideBulk
from peers.bullmq.peer import BullMq
from peers.celery.peer import Celery
from peers.faststream.peer import FastStream
from peers.listmonk.peer import Campaign, Transactional
from peers.peer import Ground, Peer
from peers.peer import measure as measure_peer
from place import Place, opened
from report import Report
from running import Steps, attempt, measured, options
from stages import Stages
from tocsin.contracts.vocabulary import Lane
from whole_path import MESSAGES, SERVICES, WholePath

CAMPAIGN = 100_000
WARM_ROUNDS = 5
"""Ten seconds each: so long Java compiles what a broker does often (3.3 ms a transaction before, 2.1 afterwards)."""
STEADY_SECONDS = 50.0
"""At 100/s before it is measured there: a message costs the broker 6.6 ms in the first ten seconds and 3.7 after fifty, and p99 falls from
52 to 18 ms."""
SHARES = (25, 50, 80)
"""% of the capacity that the same run has measured."""
USUAL_RATE = 5_000.0
"""Mails a second of dispatch-email, where the part that measures it is left out."""


async def stages(place: Place, folder: Path) -> None:
    """Each stage alone."""
    alone = Stages(place)
    await place.take("ingest alone", alone.ingest)
    await place.take("router alone", alone.router)
    await place.take("router alone, three jobs out", alone.router_three)
    await place.take("router alone, fan-out", alone.fan_out)
    await place.take("dispatch-email alone", alone.dispatch)
    await place.take("dispatch-sms alone", alone.dispatch_sms)
    await place.take("dispatch-push alone", alone.dispatch_push)
    await place.take("ledger alone", alone.ledger)
    await place.take("ingest alone, batches", alone.ingest_batches)
    await place.take("the sinks alone", partial(ceilings, place.sink, place.http_sink, folder))


async def path(place: Place) -> None:
    """All services together."""
    whole = WholePath(
        environment=place.environment, sink=place.sink, rows=place.rows, warm_up=[MESSAGES] * WARM_ROUNDS
    )
    await place.take("memory at rest", whole.at_rest)
    await place.take("whole path", whole.single)
    await place.take("whole path, batches", whole.batches)
    await place.take("whole path from Kafka", whole.from_kafka)
    await place.take("whole path from Kafka, batches", whole.from_kafka_batches)


async def campaign(place: Place) -> None:
    """After the others: PostgreSQL cleans up behind so many new recipients for a minute, which is no message's latency."""
    whole = WholePath(environment=place.environment, sink=place.sink, rows=place.rows)
    await place.take("campaign", partial(whole.campaign, CAMPAIGN))


async def latency(place: Place) -> None:
    """At fixed rates, and at shares of what the whole path has just done."""
    whole = WholePath(environment=place.environment, sink=place.sink, rows=place.rows)
    slow = partial(
        whole.latency,
        "at 100/s, critical",
        Lane.CRITICAL,
        100,
        targets=("critical-p50", "critical-p99"),
        cpu_target="low-load-cpu",
    )
    await place.take("steady at 100/s", partial(whole.steady, Lane.CRITICAL, 100, STEADY_SECONDS))
    await place.take("latency at 100/s", slow)
    fast = partial(whole.latency, "at 1,000/s", Lane.TRANSACTIONAL, 1_000, targets=("fast-p50", "fast-p99"))
    await place.take("latency at 1,000/s", fast)
    capacity = place.report.latest("whole")
    if capacity is None:
        return
    for share in SHARES:
        name, rate = f"at {share} % of capacity", capacity * share / 100
        await place.take(f"latency {name}", partial(whole.latency, name, Lane.TRANSACTIONAL, rate))


async def lanes(place: Place) -> None:
    """Critical beside bulk: in one process of dispatch-email, as it is shipped, and with a process for bulk."""
    beside = BesideBulk(environment=place.environment, sink=place.sink, rows=place.rows)
    rate = place.report.latest("email") or USUAL_RATE
    await place.take("lanes", partial(beside.measure, rate))
    await place.take("lanes in processes of their own", partial(beside.measure_apart, rate))


async def others(place: Place, folder: Path) -> None:
    """Each peer by itself, while none of our services runs."""
    for number, peer in enumerate(PEERS):
        if (why := peer.missing()) is not None:
            place.report.not_measured[peer.name] = why
            continue
        own = folder / f"peer-{number}"
        own.mkdir()
        ground = Ground(folder=own, sink=place.sink, environment=place.environment)
        await attempt(
            place.report, place.say, place.take(f"peer {peer.name}", partial(measure_peer, peer, ground))
        )


TOGETHER = {"path": path, "latency": latency, "lanes": lanes, "campaign": campaign}
"""Parts that need all services, in this order."""
ALONE = ("stages", "peers")
PARTS = (*ALONE, *TOGETHER)
PEERS: tuple[Peer, ...] = (
    Campaign(),
    Transactional(),
    Celery(durable=False),
    Celery(durable=True),
    BullMq(durable=False),
    BullMq(durable=True),
    FastStream(),
)


async def measure(folder: Path, report: Report, say: Steps, *, parts: frozenset[str]) -> None:
    """Everything that is asked for, in order, into the report."""
    folders = {name: folder / name for name in ("alone", "together")}
    for part in folders.values():
        part.mkdir()
    if not parts.isdisjoint(ALONE):
        await attempt(report, say, _alone(folders["alone"], report, say, parts))
    if parts & TOGETHER.keys():
        await attempt(report, say, _together(folders["together"], report, say, parts))
    say("ending")


async def _alone(folder: Path, report: Report, say: Steps, parts: frozenset[str]) -> None:
    async with opened(folder, report, say) as place:
        if "stages" in parts:
            await stages(place, folder)
        if "peers" in parts:
            await others(place, folder)


async def _together(folder: Path, report: Report, say: Steps, parts: frozenset[str]) -> None:
    async with opened(folder, report, say, optimised=True) as place:
        say("starting all services")
        async with place.environment.running(*SERVICES):
            for name, part in TOGETHER.items():
                if name in parts:
                    await part(place)


def main() -> int:
    """The exit code."""
    parser = options(argparse.ArgumentParser(description=__doc__))
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="leave the others out")
    parser.add_argument(
        "--record", action="store_true", help="write the result into docs/benchmarks.md as well"
    )
    given = parser.parse_args()
    if given.record and set(given.only) != set(PARTS):
        parser.error("--record needs all parts: leave --only out")
    report = measured(partial(measure, parts=frozenset(given.only)), given)
    if report is None:
        return 1
    report.show()
    if given.record:
        return record.write(report)
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
