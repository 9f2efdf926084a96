"""From what one notification leaves to what an installation needs. Pure functions: the same numbers in, the same numbers out."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec

from capacity_costs import Costs
from capacity_kinds import KINDS, Kind
from capacity_record import Measured, Record, Way
from tocsin.contracts.vocabulary import Channel, Lane

Value = Callable[[Measured], float]
DAY: Final = 86_400
READERS: Final[Mapping[str, int]] = {"status": 2}
"""How many groups read a topic, where it is not one: statuses go to the ledger and to the router's feedback."""
_MEASURED: Final = (Channel.EMAIL, Channel.SMS, Channel.PUSH)
"""The channels whose dispatchers the bench measures."""
SHARED: Final = ("router", *(channel.dispatcher for channel in _MEASURED))
"""Services of which several processes may share a lane, by shards."""
ALONE: Final = "ledger"
"""It has one writer a lane."""
MIX: Final = MappingProxyType(
    {"code": 0.05, "order": 0.40, "everywhere": 0.05, "sms": 0.05, "push": 0.15, "campaign": 0.30}
)  # fmt: skip


class Demand(msgspec.Struct, kw_only=True, frozen=True):
    """What is asked of an installation."""

    per_day: float
    """Notifications."""
    peak: float = 3.0
    """The busiest minute, as a multiple of the average."""
    mix: Mapping[str, float] = MIX
    """Shares of the kinds."""
    kafka_copies: int = 3
    database_copies: int = 2
    jobs_days: float = 7.0
    """For which events, intents, jobs and timers are kept."""
    status_days: float = 30.0
    ledger_days: float = 30.0
    claim_hours: float = 24.0
    busy: float = 0.7
    """Of a core that a process is to use at the peak."""
    provider_seconds: float = 0.1
    """How long a call to a provider takes."""

    @property
    def rate(self) -> float:
        """Notifications a second, on average."""
        return self.per_day / DAY


class Range(NamedTuple):
    """From full batches to messages that come one by one; or without whole pages in the log, and with every one."""

    low: float
    high: float

    def times(self, factor: float) -> "Range":
        """Both of them."""
        return Range(self.low * factor, self.high * factor)


class Plan(msgspec.Struct, kw_only=True, frozen=True):
    """What it takes. Bytes of storage are of all copies; rates are averages unless they say peak."""

    demand: Demand
    kafka: Range
    kafka_parts: dict[str, Range]
    """The same by family of topics."""
    produced: Range
    """Bytes a second that services and producers send to brokers, at the peak."""
    replicated: Range
    consumed: Range
    rows: float
    """Of the ledger, a second."""
    ledger_day: float
    """Bytes of one day, one copy."""
    ledger: float
    log: Range
    """Bytes of the write-ahead log a second."""
    claims: float
    """Written a second, and deleted."""
    claims_kept: float
    claims_bytes: float
    """One copy."""
    cores: dict[str, float]
    peak_cores: dict[str, float]
    processes: dict[Lane, dict[str, float]]
    """By lane and service: how many processes are as busy as they may be, at the peak. No more than shards can share a lane, and no two
    of the ledger."""
    calls: dict[Channel, float]
    """Under way at once at the peak."""


def plan(demand: Demand, record: Record, costs: Costs) -> Plan:
    """What this demand takes. Raises ValueError where the mix names no kind, or is no whole."""
    check(demand.mix)
    kept = {family: _kept(demand, record, family) for family in _families(record)}
    produced = _each(demand, record, lambda measured: measured.kafka_bytes + measured.internal)
    read = _each(demand, record, _read)
    at_peak = demand.rate * demand.peak
    rows = _sum(demand, record, lambda measured: measured.rows)
    row_bytes = _sum(demand, record, lambda measured: measured.row_bytes + measured.index_bytes)
    claims = _sum(demand, record, lambda measured: measured.claims) * demand.rate
    claims_kept = claims * demand.claim_hours * 3600
    return Plan(
        demand=demand,
        kafka=Range(sum(part.low for part in kept.values()), sum(part.high for part in kept.values())),
        kafka_parts=kept,
        produced=produced.times(at_peak),
        replicated=produced.times(at_peak * (demand.kafka_copies - 1)),
        consumed=read.times(at_peak),
        rows=rows * demand.rate,
        ledger_day=row_bytes * demand.per_day,
        ledger=row_bytes * demand.per_day * demand.ledger_days * demand.database_copies,
        log=log_bytes(demand.mix, record).times(demand.rate),
        claims=claims,
        claims_kept=claims_kept,
        claims_bytes=claims_kept * record.database.claim,
        cores=_cores(demand, record, costs, peak=1.0),
        peak_cores=_cores(demand, record, costs, peak=demand.peak),
        processes={lane: _processes(demand, record, costs, lane) for lane in Lane},
        calls={channel: _calls(demand, channel) for channel in costs.dispatch},
    )


def check(mix: Mapping[str, float]) -> None:
    """Raises ValueError with a sentence."""
    if unknown := sorted(mix.keys() - KINDS.keys()):
        raise ValueError(f"Unknown kind {unknown[0]}. There are: {', '.join(KINDS)}.")
    if not 0.999 < (whole := sum(mix.values())) < 1.001:
        raise ValueError(f"The shares of the mix add up to {whole:g}, not to 1.")


def log_bytes(mix: Mapping[str, float], record: Record) -> Range:
    """Of the write-ahead log, a notification: with no whole page in it, and as it is beside many rows just after a checkpoint.

    What whole pages add was measured for the order mail; it is shared out by rows of ledger and claims, which each touch such pages."""
    order = record.kinds["order"]["full"]
    most = max(record.database.wal_beside.values())
    pages = max(0.0, most - order.wal) / (order.rows + order.claims)
    low = sum(share * record.kinds[name]["full"].wal for name, share in mix.items())
    written = sum(
        share * (measured.rows + measured.claims)
        for name, share in mix.items()
        for measured in [record.kinds[name]["full"]]
    )
    return Range(low, low + written * pages)


def _families(record: Record) -> list[str]:
    """As the page lists them, `jobs` of all channels together."""
    names = [name for ways in record.kinds.values() for measured in ways.values() for name in measured.topics]
    return list(dict.fromkeys(name.partition(".")[0] for name in names))


def _kept(demand: Demand, record: Record, family: str) -> Range:
    """Bytes of all topics of the family, all copies."""
    days = demand.status_days if family == "status" else demand.jobs_days

    def bytes_of(measured: Measured) -> float:
        return sum(
            stored.bytes for name, stored in measured.topics.items() if name.partition(".")[0] == family
        )

    return _each(demand, record, bytes_of).times(demand.per_day * days * demand.kafka_copies)


def _read(measured: Measured) -> float:
    return sum(stored.bytes * READERS.get(name, 1) for name, stored in measured.topics.items())


def _each(demand: Demand, record: Record, value: Value) -> Range:
    """Of the average notification, in full batches and one by one. A campaign always comes in full ones."""
    low = sum(share * value(record.kinds[name]["full"]) for name, share in demand.mix.items())
    high = sum(share * value(record.kinds[name][_apart(KINDS[name])]) for name, share in demand.mix.items())
    return Range(low, high)


def _sum(demand: Demand, record: Record, value: Value) -> float:
    """Of the average notification, where it does not matter how it comes."""
    return _each(demand, record, value).low


def _apart(kind: Kind) -> Way:
    return "full" if kind.inline else "spread"


def _cores(demand: Demand, record: Record, costs: Costs, *, peak: float) -> dict[str, float]:
    """By service, at this multiple of the average rate."""
    cores: defaultdict[str, float] = defaultdict(float)
    for name, share in demand.mix.items():
        kind, rate = KINDS[name], demand.rate * peak * share
        for service, us in costs.of(
            kind, _lane_rate(demand, kind.lane) * peak, rows=_rows(record, name)
        ).items():
            cores[service] += rate * us / 1e6
    return dict(cores)


def _processes(demand: Demand, record: Record, costs: Costs, lane: Lane) -> dict[str, float]:
    rate = _lane_rate(demand, lane) * demand.peak
    busy: defaultdict[str, float] = defaultdict(float)
    for name, share in demand.mix.items():
        if KINDS[name].lane is lane:
            cost = costs.of(KINDS[name], rate, rows=_rows(record, name))
            for service in (*SHARED, ALONE):
                busy[service] += demand.rate * demand.peak * share * cost.get(service, 0.0) / 1e6
    return {service: cores / demand.busy for service, cores in busy.items() if cores}


def _lane_rate(demand: Demand, lane: Lane) -> float:
    return demand.rate * sum(share for name, share in demand.mix.items() if KINDS[name].lane is lane)


def _rows(record: Record, name: str) -> float:
    return record.kinds[name]["full"].rows


def _calls(demand: Demand, channel: Channel) -> float:
    """By Little's law: so many begin in the time that one takes."""
    share = sum(share for name, share in demand.mix.items() if channel in KINDS[name].channels)
    return demand.rate * demand.peak * share * demand.provider_seconds
