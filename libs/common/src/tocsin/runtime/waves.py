"""Moments at which services begin to work and stop: the same for all processes whose clocks agree.

A member that joins or leaves a consumer group stops the whole group: all give everything back, and each gets its share anew. Where Pods are
replaced, several come and go within a few seconds. They do it in one such moment each, and the group stops twice, not once for each Pod.
"""


def seconds_to_wave(every: float, *, now: float) -> float:
    """Until the next moment of which there is one each ``every`` seconds since 1970; 0 where ``every`` is 0. ``now``: seconds since 1970."""
    return every - now % every if every else 0.0
