"""How long things may take at most, in seconds. Every bound that another one relies on stands here.

| bound | critical | other lanes | longer than |
|---|---|---|---|
| `call`: one provider call, from the connection to the answer | 8 | 30 | |
| `drain`: what a lane's group has begun, when its partitions are taken away | 9 | 33 | `call`: it ends, and its outcome is written |
| `rebalance`: the broker waits for members to give partitions back | 12 | 40 | `drain`: whoever is later is expelled |
| `SHUTDOWN_TIMEOUT`: from SIGTERM to the end of the last `run` | 45 | 45 | `rebalance`: a shutdown drains too |
| `CLOSING`: components are closed after that | 15 | 15 | `LEAVE` + `CLOSE_PUBLISHER` |
| Kubernetes' and Compose's grace period, then SIGKILL | 75 | 75 | `preStop` + `SHUTDOWN_TIMEOUT` + `CLOSING` |
| `progress`: a loop that stands still for so long is given up | 60 | 60 | `rebalance` |
| `heartbeat`: a member tells the broker that it lives | 0.5 | 0.5 | |
| `lease`: it may act after its last good heartbeat was sent | 4 | 4 | three heartbeats |
| `session`: the broker gives the partitions of a silent member away | 6 | 6 | `lease`, by the `margin` of 2 |
| `TRANSACTION`: a dead owner's open transaction holds readers | 10 | 10 | |
| `fence`: a new owner waits until that transaction has ended | 20 | 20 | `TRANSACTION` |
| `COMMIT`: the group takes an offset | 8 | 8 | (shorter than `drain`) |

The first four are checked at start: those of a group when it is made, the shutdown with the settings (`check_shutdown`).
Tests hold the others, and the manifests.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

SHUTDOWN: Final = 45.0
"""The default of SHUTDOWN_TIMEOUT."""
CLOSING: Final = 15.0
"""For the closing of all components together."""
TRANSACTION: Final = 10.0
"""For one transaction, and what the broker waits before it ends one that a dead owner left open."""
COMMIT: Final = 8.0
"""For the group to take an offset outside of a transaction."""
LEAVE: Final = 5.0
"""For the broker to answer a member that leaves."""
CLOSE_TRANSACTIONS: Final = 5.0
"""For a transactional producer to disconnect; what it left open, the next owner ends."""
CLOSE_PUBLISHER: Final = 10.0
"""For the plain producer to send what it still holds, then to disconnect."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupTimings:
    """The bounds that ownership rests on; construction refuses an order that would break it."""

    call: float
    drain: float
    rebalance: float
    session: float = 6.0
    heartbeat: float = 0.5
    margin: float = 2.0
    fence: float = 20.0
    progress: float = 60.0

    def __post_init__(self) -> None:
        if not 0 < self.call < self.drain < self.rebalance:
            msg = (
                f"The provider call ({self.call:g} s) must be shorter than the drain ({self.drain:g} s), "
                f"and the drain shorter than the rebalance ({self.rebalance:g} s)."
            )
            raise ValueError(msg)
        if not 0 < self.heartbeat * 3 <= self.lease:
            msg = (
                f"Three heartbeats ({self.heartbeat:g} s each) must fit the session ({self.session:g} s) "
                f"less its margin ({self.margin:g} s)."
            )
            raise ValueError(msg)
        if not self.fence > TRANSACTION:
            msg = f"The fence ({self.fence:g} s) must be longer than a transaction ({TRANSACTION:g} s)."
            raise ValueError(msg)

    @property
    def lease(self) -> float:
        """How long after the sending of a good heartbeat this member may still act."""
        return self.session - self.margin


CRITICAL: Final = GroupTimings(call=8, drain=9, rebalance=12)
OTHERS: Final = GroupTimings(call=30, drain=33, rebalance=40)


def timings_for(lane: str) -> GroupTimings:
    """The bounds of a lane: tight for `critical`, patient for all others."""
    return CRITICAL if lane == "critical" else OTHERS


def check_shutdown(seconds: float, lanes: Iterable[str]) -> None:
    """Raise ValueError, with a sentence for the operator, unless a process that serves these lanes can drain in time."""
    slowest = max(lanes, key=lambda lane: timings_for(lane).rebalance)
    least = timings_for(slowest).rebalance
    if seconds <= least:
        msg = (
            f"SHUTDOWN_TIMEOUT is {seconds:g} s and must be longer than the {least:g} s that lane {slowest} may take to hand "
            "over its partitions: raise it, and the grace period of Kubernetes or Compose with it"
        )
        raise ValueError(msg)
