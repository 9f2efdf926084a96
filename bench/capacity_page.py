"""The generated parts of docs/operations/capacity.md, and the same as text: measured, planned, and what ends first."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final

from capacity_costs import Costs
from capacity_ends import ends
from capacity_kinds import KINDS
from capacity_plan import Demand, Plan, Range, plan
from capacity_record import WAYS, Measured, Record, Way
from tocsin.dev.paths import PROJECT

Value = Callable[[Measured], float | None]
PAGE: Final = PROJECT / "docs" / "operations" / "capacity.md"
TEN_MILLION, BILLION = 10e6, 1e9
UNITS: Final = ((1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B"))


def written(text: str, parts: dict[str, str]) -> str:
    """The page with these parts between their markers. Raises SystemExit where a marker is missing."""
    for name, part in parts.items():
        begin, end = f"<!-- capacity {name}: begin -->", f"<!-- capacity {name}: end -->"
        if begin not in text or end not in text:
            raise SystemExit(f"{PAGE} has no lines {begin} and {end}: put them where the tables belong.")
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = f"{before}{begin}\n{part}\n{end}{after}"
    return text


def parts_of(record: Record, costs: Costs) -> dict[str, str]:
    """By name of the marker."""
    return {
        "measured": "\n".join(_measured(record)),
        "tables": "\n".join(_planned(record, costs)),
        "ends": "\n".join(_ends(record, costs)),
    }


def _measured(record: Record) -> Iterator[str]:
    machine = record.machine
    yield f"Kafka {machine.versions['kafka']}, PostgreSQL {machine.versions['postgresql']}, commit {machine.commit}. One copy. *One by one · in full batches.*"
    yield ""
    topics = list(
        dict.fromkeys(name for ways in record.kinds.values() for one in ways.values() for name in one.topics)
    )
    yield f"| bytes a record | {' | '.join(f'`{name}`' for name in topics)} |"
    yield "|---|" + "---:|" * len(topics)
    for name, ways in record.kinds.items():
        cells = [_both(ways, partial(_a_record, topic)) for topic in topics]
        yield f"| `{name}`: {KINDS[name].what} | {' | '.join(cells)} |"
    yield ""
    yield "| a notification leaves | Kafka, bytes | rows of the ledger | their bytes · with indexes | claims | bytes of PostgreSQL's log |"
    yield "|---|---:|---:|---:|---:|---:|"
    for name, ways in record.kinds.items():
        full = ways["full"]
        ledger = f"{full.row_bytes:,.0f} · {full.row_bytes + full.index_bytes:,.0f}"
        kafka, log = _both(ways, lambda one: one.kafka_bytes), _both(ways, lambda one: one.wal)
        claims = _both(ways, lambda one: one.claims, digits=3)
        yield f"| `{name}` | {kafka} | {full.rows:.1f} | {ledger} | {claims} | {log} |"
    yield ""
    yield "| what else | |"
    yield "|---|---:|"
    yield from (f"| {what} | {value} |" for what, value in _others(record))


def _others(record: Record) -> Iterator[tuple[str, str]]:
    database = record.database
    yield "a claim with its indexes", f"{database.claim:,.0f} B"
    yield "a decision or status in the [archive](archive.md)'s files", f"{record.archived:,.0f} B"
    yield "a timer that waits, with its indexes", f"{database.timer:,.0f} B"
    yield "a change in the outbox, gone once it is published", f"{database.outbox:,.0f} B"
    for what, size in record.memory.items():
        yield f"in memory: {what}", f"{size:,.3g} B" if size < 1000 else f"{size:,.0f} B"
    for rows, size in database.wal_beside.items():
        beside = f"{float(f'{rows:.2g}'):,.0f}"
        yield (
            f"PostgreSQL's log for an order mail beside {beside} rows of the ledger, just after a checkpoint",
            f"{size:,.0f} B",
        )
    for deleted, seconds in database.sweep_seconds.items():
        after = f", after {deleted:,} others and before a vacuum" if deleted else ""
        yield f"to delete 1,000 expired claims{after}", f"{seconds * 1000:,.0f} ms"
    yield (
        "changes that one relay publishes, taken from many recipients",
        f"{database.changes_per_second:,.0f}/s",
    )


def _planned(record: Record, costs: Costs) -> Iterator[str]:
    plans = [plan(Demand(per_day=per_day), record, costs) for per_day in (TEN_MILLION, BILLION)]
    yield "| | 10 million a day | 1 billion a day |"
    yield "|---|---:|---:|"
    for (what, ten), (_, billion) in zip(*(rows_of(each) for each in plans), strict=True):
        yield f"| {what} | {ten} | {billion} |"


def rows_of(planned: Plan) -> list[tuple[str, str]]:
    """What it takes, a line each."""
    demand = planned.demand
    rows = [
        (
            "notifications a second, average · peak",
            f"{_count(demand.rate)} · {_count(demand.rate * demand.peak)}",
        ),
        (f"**Kafka**, {demand.kafka_copies} copies", _range(planned.kafka)),
    ]
    rows += [
        (f"— of it `{family}`", _range(part)) for family, part in planned.kafka_parts.items() if part.high
    ]
    rows += [
        ("written to brokers at the peak, a second", _range(planned.produced)),
        ("— copied between brokers", _range(planned.replicated)),
        ("— read from brokers", _range(planned.consumed)),
        (f"**Ledger**, {demand.ledger_days:g} days, {demand.database_copies} copies", _bytes(planned.ledger)),
        ("— a day, one copy", _bytes(planned.ledger_day)),
        ("— rows a second, average · peak", f"{_count(planned.rows)} · {_count(planned.rows * demand.peak)}"),
        ("PostgreSQL's log, a second on average", _range(planned.log)),
        ("— a day", _range(planned.log.times(86_400))),
        (
            "**Claims**: kept, with their bytes",
            f"{_count(planned.claims_kept)}, {_bytes(planned.claims_bytes)}",
        ),
        ("— written and deleted a second, each", _count(planned.claims)),
        ("**Cores**, average · peak", f"{_sum(planned.cores)} · {_sum(planned.peak_cores)}"),
    ]
    rows += [
        (f"— {service}", f"{_cores(planned.cores[service])} · {_cores(cores)}")
        for service, cores in planned.peak_cores.items()
    ]
    for lane, processes in planned.processes.items():
        rows += [
            (f"**Processes** of {service} on {lane} at the peak", f"{needed:.1f}")
            for service, needed in processes.items()
        ]
    rows += [
        (
            f"calls under way to {channel} providers at the peak, {demand.provider_seconds:g} s each",
            _count(calls),
        )
        for channel, calls in planned.calls.items()
    ]
    return rows


def _ends(record: Record, costs: Costs) -> Iterator[str]:
    yield "| what ends | at notifications a day | what to do then |"
    yield "|---|---:|---|"
    for end in ends(record, costs):
        yield f"| {end.what} | {_count(end.per_day)} | {end.lever} |"


def _a_record(topic: str, measured: Measured) -> float | None:
    stored = measured.topics.get(topic)
    return stored.bytes / stored.records if stored and stored.records else None


def _both(ways: Mapping[Way, Measured], value: Value, *, digits: int = 0) -> str:
    """`one by one · full`, or one number where both are the same."""
    values = [value(ways[way]) for way in WAYS]
    texts = ["" if each is None else f"{each:,.{digits}f}" for each in values]
    if digits:
        texts = [text.rstrip("0").rstrip(".") for text in texts]
    return texts[0] if texts[0] == texts[1] else " · ".join(texts)


def _range(both: Range) -> str:
    low, high = _bytes(both.low), _bytes(both.high)
    return low if low == high else f"{low} to {high}"


def _bytes(size: float) -> str:
    unit, name = next((each for each in UNITS if size >= each[0]), UNITS[-1])
    return f"{_short(size / unit)} {name}"


def _count(value: float) -> str:
    """Three digits that mean something, with a word from a million on."""
    for unit, name in ((1e9, " billion"), (1e6, " million")):
        if value >= unit:
            return f"{_short(value / unit)}{name}"
    return f"{_short(value)}"


def _short(value: float) -> str:
    return f"{float(f'{value:.3g}'):,.{0 if value >= 100 else 1}f}" if value >= 10 else f"{value:.2g}"


def _cores(value: float) -> str:
    return f"{value:.1f}" if value >= 0.1 else f"{value:.2f}"


def _sum(cores: dict[str, float]) -> str:
    return _cores(sum(cores.values()))


def as_text(rows: Sequence[tuple[str, str]]) -> str:
    """Two columns."""
    plain = [(what.replace("*", "").replace("`", ""), value) for what, value in rows]
    width = max(len(what) for what, _ in plain)
    return "\n".join(f"{what:{width}}  {value}" for what, value in plain)
