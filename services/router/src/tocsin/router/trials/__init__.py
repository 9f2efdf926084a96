"""What a tenant wrote is tried before it is saved, and previewed, in a child process that can be killed.

The counts (`templates`, `expressions`, `tocsin.programs`) bound what a program takes. This is the line behind them: what they
overlook ends a process that serves nobody else, and the tenant reads which part of the request did it.

    handler → Trials (one at a time a tenant) → TrialProcess (frames over pipes, a deadline) → trial_child (limits, programs)
"""

from tocsin.router.trials.process import TrialProcess
from tocsin.router.trials.trials import Trials, Turn

__all__ = ["TrialProcess", "Trials", "Turn"]
