"""What tests of every part share: a clock that stands still, in-memory twins, suites that run over twin and original."""

from tocsin.testing.clock import ManualClock

__all__ = ["ManualClock"]
