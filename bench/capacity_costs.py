"""Processor time of one notification, from the committed record of the bench: by service, by kind, and by how many come in a lane.

What a message costs falls with the rate, as batches hold more of them: the record has one mail at 100 a second up to all that two cores can do. Between two of these
points the cost is read off a straight line over the logarithm of the rate; beside them it is that of the nearest.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from capacity_kinds import Kind
from report import Report
from summary import Summary, summaries
from tocsin.contracts.vocabulary import Channel

FILE: Final = Path(__file__).with_name("record") / "bench.json"
NOT_NEEDED: Final = {"sink", "load"}
WHOLE_PATH: Final = "whole path: HTTP to sink and ledger"

Microseconds = Mapping[str, float]
"""By service."""


class Costs(msgspec.Struct, kw_only=True, frozen=True):
    """`mail`: points (messages a second, cost) of one mail, the slowest first. The others are of stages from a backlog."""

    mail: Sequence[tuple[float, Microseconds]]
    campaign: Microseconds
    router: Microseconds
    router_three: Microseconds
    dispatch: Mapping[Channel, Microseconds]

    def of(self, kind: Kind, rate: float, *, rows: float) -> dict[str, float]:
        """Of a notification of this kind that leaves so many rows, where so many notifications a second come in its lane. What
        small batches cost more is taken to be the same for all kinds but campaigns, whose batches are full."""
        if kind.inline:
            return dict(self.campaign)
        full, cost = self.mail[-1][1], self._mail_at(rate)
        mail_dispatcher = Channel.EMAIL.dispatcher
        small = cost.pop(mail_dispatcher) - full[mail_dispatcher]
        for channel in kind.channels:
            alone = self.dispatch[channel]
            share = alone[channel.dispatcher] / self.dispatch[Channel.EMAIL][mail_dispatcher]
            cost[channel.dispatcher] = full[mail_dispatcher] * share + small / len(kind.channels)
            cost["broker"] += alone["broker"]
        cost["broker"] -= self.dispatch[Channel.EMAIL]["broker"]
        for service in ("router", "broker"):
            cost[service] += (
                (self.router_three[service] - self.router[service]) * (len(kind.channels) - 1) / 2
            )
        for service in ("ledger", "database"):
            cost[service] += full[service] * (rows / 2 - 1)
        return cost

    def _mail_at(self, rate: float) -> dict[str, float]:
        after = next((at for at, (known, _) in enumerate(self.mail) if known >= rate), len(self.mail) - 1)
        if after == 0 or rate >= self.mail[after][0]:
            return dict(self.mail[after][1])
        (slow, before), (fast, behind) = self.mail[after - 1], self.mail[after]
        share = math.log(rate / slow) / math.log(fast / slow)
        return {name: before[name] + (behind[name] - before[name]) * share for name in behind}


def costs_of(summed: Sequence[Summary]) -> Costs:
    """From the record's figures."""
    found = {one.name: one for one in summed}
    points = [one for name, one in found.items() if name.startswith("latency ") and name.endswith(": rate")]
    points.append(found[WHOLE_PATH])
    return Costs(
        mail=sorted(((one.middle, _ours(one)) for one in points), key=lambda point: point[0]),
        campaign=_ours(next(one for name, one in found.items() if name.startswith("campaign:"))),
        router=_ours(found["router: events to jobs"]),
        router_three=_ours(found["router: events to three jobs each"]),
        dispatch={
            channel: _ours(stage)
            for channel in Channel
            if (stage := found.get(f"{channel.dispatcher}: jobs to the sink")) is not None
        },
    )


def read(file: Path = FILE) -> Costs:
    """Of the committed record, or another."""
    return costs_of(summaries(msgspec.json.decode(file.read_bytes(), type=Report).figures))


def _ours(one: Summary) -> dict[str, float]:
    return {name: us for name, us in one.cpu_us.items() if name not in NOT_NEEDED}
