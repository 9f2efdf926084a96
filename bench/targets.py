"""What the project wants to reach on two cores that also carry Kafka and PostgreSQL: 4 partitions, 2 shards, one instance a service."""

from typing import Literal

import msgspec


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table. `must` and `aim` are in the unit of the figure that is measured against them."""

    key: str
    metric: str
    unit: str
    must: float | None
    aim: float
    better: Literal["more", "less"] = "more"

    def reached(self, value: float) -> str:
        """Which of the two the value reaches."""
        if self._within(value, self.aim):
            return "aim met"
        if self.must is None:
            return "aim missed"
        return "must met" if self._within(value, self.must) else "must missed"

    def _within(self, value: float, limit: float) -> bool:
        return value >= limit if self.better == "more" else value <= limit


def _rate(key: str, metric: str, unit: str, must: float, aim: float) -> Target:
    return Target(key=key, metric=metric, unit=unit, must=must, aim=aim)


def _at_most(key: str, metric: str, unit: str, must: float | None, aim: float) -> Target:
    return Target(key=key, metric=metric, unit=unit, must=must, aim=aim, better="less")


_ALL = (
    _rate("whole", "whole path, single HTTP events", "messages/s", 2_200, 3_500),
    _rate("campaign", "campaign to the sink and the ledger", "messages/s", 2_500, 4_000),
    _rate("email", "email hand-off, one core of ours", "mails/s", 7_000, 12_000),
    _rate("router", "router, one core, one job out", "events/s", 8_000, 12_000),
    _rate("router-three", "router, one core, three jobs out", "events/s", 4_500, 8_000),
    _rate("ingest", "ingest, one core, durable, single", "events/s", 6_000, 9_000),
    _rate("ingest-batch", "ingest, one core, durable, batch of 100", "events/s", 25_000, 60_000),
    _rate("ledger", "ledger, idempotent, one core with its database", "rows/s", 45_000, 80_000),
    _at_most("fast-p50", "accept to hand-off at 1,000/s, p50", "ms", 40, 10),
    _at_most("fast-p99", "accept to hand-off at 1,000/s, p99", "ms", 100, 40),
    _at_most("critical-p50", "the same, critical at 100/s, p50", "ms", 15, 8),
    _at_most("critical-p99", "the same, critical at 100/s, p99", "ms", 35, 20),
    _at_most("low-load-cpu", "CPU a message at 100/s, all processes", "ms", None, 6),
    _at_most("lanes", "critical p99 while bulk drains, against idle", "times", 2, 1.3),
    _rate("bulk", "bulk's rate meanwhile, of its rate alone", "%", 70, 70),
    _at_most("memory", "memory (PSS) of a service at full rate", "MB", 140, 90),
)
TARGETS = {target.key: target for target in _ALL}
"""By the key that a figure names. Every one of them is a line of the record, measured or not."""
