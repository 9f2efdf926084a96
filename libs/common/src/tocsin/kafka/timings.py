"""How long a member of a group may take for what, in seconds."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupTimings:
    """The bounds that ownership rests on; construction refuses an order that would break it.

    ``call`` bounds one whole provider call, ``drain`` all that is in flight when partitions are revoked,
    ``rebalance`` is what the broker waits for a member to come back. A lease lasts ``session`` minus
    ``margin`` from the moment the last good heartbeat was sent. ``progress`` is the watchdog's bound.
    """

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
        if not 0 < self.heartbeat * 3 <= self.session - self.margin:
            msg = (
                f"Three heartbeats ({self.heartbeat:g} s each) must fit the session ({self.session:g} s) "
                f"less its margin ({self.margin:g} s)."
            )
            raise ValueError(msg)

    @property
    def lease(self) -> float:
        """How long after the sending of a good heartbeat this member may still act."""
        return self.session - self.margin


CRITICAL = GroupTimings(call=8, drain=9, rebalance=12)
OTHERS = GroupTimings(call=30, drain=33, rebalance=40)


def timings_for(lane: str) -> GroupTimings:
    """The bounds of a lane: tight for ``critical``, patient for all others."""
    return CRITICAL if lane == "critical" else OTHERS
