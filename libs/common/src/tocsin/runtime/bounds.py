"""How long things may take at most, in seconds. Every bound that another one relies on stands here.

| bound | critical | other lanes | longer than |
|---|---|---|---|
| `send_timeout`: one provider call, from the connection to the answer | 8 | 30 | |
| `drain_timeout`: what a lane's group has begun, when its partitions are taken away | 9 | 33 | `send_timeout`: it ends, and its outcome is written |
| `rebalance_timeout`: the broker waits for members to give partitions back | 12 | 40 | `drain_timeout`: whoever is later is expelled |
| `SHUTDOWN_TIMEOUT`: from SIGTERM to the end of the last `run` | 45 | 45 | `rebalance_timeout`: a shutdown drains too |
| `CLOSING`: components are closed after that | 15 | 15 | (as long as `LEAVE` + `CLOSE_PUBLISHER`) |
| `LAST_SPANS`: the collector takes what is left of the traces, within `CLOSING` | 3 | 3 | |
| Kubernetes' and Compose's grace period, then SIGKILL | 75 | 75 | `preStop` + `WAVE_SECONDS` + `SHUTDOWN_TIMEOUT` + `CLOSING` |
| `progress_timeout`: a loop that stands still for so long is given up | 60 | 60 | `rebalance_timeout` |
| `heartbeat_interval`: a member tells the broker that it lives | 0.5 | 0.5 | |
| `lease`: it may act after its last good heartbeat was sent | 4 | 4 | three heartbeats |
| `session_timeout`: the broker gives the partitions of a silent member away | 6 | 6 | `lease`, by the `lease_margin` of 2 |
| `TRANSACTION`: a dead owner's open transaction holds readers | 10 | 10 | |
| `fence_timeout`: a new owner waits until that transaction has ended | 20 | 20 | `TRANSACTION` |
| `COMMIT`: one try to have the group take an offset; shorter than the drain | 8 | 8 | |

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
LAST_SPANS: Final = 3.0
"""For the collector to take what is left of the traces. They are given up then: no message depends on them."""
TRANSACTION: Final = 10.0
"""For one transaction, and what the broker waits before it ends one that a dead owner left open."""
COMMIT: Final = 8.0
"""For one try to have the group take an offset outside of a transaction; tries follow each other while the shard is held."""
LEAVE: Final = 5.0
"""For the broker to answer a member that leaves."""
CLOSE_TRANSACTIONS: Final = 5.0
"""For a transactional producer to disconnect; what it left open, the next owner ends."""
CLOSE_PUBLISHER: Final = 10.0
"""For the plain producer to send what it still holds, then to disconnect."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupTimeouts:
    """The bounds that ownership rests on; construction refuses an order that would break it."""

    send_timeout: float
    drain_timeout: float
    rebalance_timeout: float
    session_timeout: float = 6.0
    heartbeat_interval: float = 0.5
    lease_margin: float = 2.0
    fence_timeout: float = 20.0
    progress_timeout: float = 60.0

    def __post_init__(self) -> None:
        if not 0 < self.send_timeout < self.drain_timeout < self.rebalance_timeout:
            msg = (
                f"The provider call ({self.send_timeout:g} s) must be shorter than the drain ({self.drain_timeout:g} s), "
                f"and the drain shorter than the rebalance ({self.rebalance_timeout:g} s)."
            )
            raise ValueError(msg)
        if not 0 < self.heartbeat_interval * 3 <= self.lease:
            msg = (
                f"Three heartbeats ({self.heartbeat_interval:g} s each) must fit the session ({self.session_timeout:g} s) "
                f"less its margin ({self.lease_margin:g} s)."
            )
            raise ValueError(msg)
        if not self.fence_timeout > TRANSACTION:
            msg = (
                f"The fence ({self.fence_timeout:g} s) must be longer than a transaction ({TRANSACTION:g} s)."
            )
            raise ValueError(msg)

    @property
    def lease(self) -> float:
        """How long after the sending of a good heartbeat this member may still act."""
        return self.session_timeout - self.lease_margin


CRITICAL: Final = GroupTimeouts(send_timeout=8, drain_timeout=9, rebalance_timeout=12)
OTHERS: Final = GroupTimeouts(send_timeout=30, drain_timeout=33, rebalance_timeout=40)


def timeouts_for(lane: str) -> GroupTimeouts:
    """The bounds of a lane: tight for `critical`, patient for all others."""
    return CRITICAL if lane == "critical" else OTHERS


def check_shutdown(seconds: float, lanes: Iterable[str]) -> None:
    """Raise ValueError, with a sentence for the operator, unless a process that serves these lanes can drain in time."""
    slowest = max(lanes, key=lambda lane: timeouts_for(lane).rebalance_timeout)
    least = timeouts_for(slowest).rebalance_timeout
    if seconds <= least:
        msg = (
            f"SHUTDOWN_TIMEOUT is {seconds:g} s and must be longer than the {least:g} s that lane {slowest} may take to hand "
            "over its partitions: raise it, and the grace period of Kubernetes or Compose with it"
        )
        raise ValueError(msg)
