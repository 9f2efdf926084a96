"""The bounds of a group; see `tocsin.runtime.bounds`."""

from tocsin.runtime.bounds import CRITICAL, OTHERS, GroupTimings, timings_for

__all__ = ["CRITICAL", "OTHERS", "GroupTimings", "timings_for"]
