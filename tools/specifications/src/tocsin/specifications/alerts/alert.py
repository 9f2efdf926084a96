"""What one alert is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

RUNBOOKS: Final = "https://github.com/tocsin/tocsin/blob/main/docs/operations/runbooks"
"""Where the pages are, unless the generator is told another place."""

JOB: Final = 'job=~"(.*/)?tocsin"'
"""Our processes: a PodMonitor named tocsin makes the job `<namespace>/tocsin`."""


class Severity(StrEnum):
    """What an alert does."""

    PAGE = "page"
    """Wakes somebody: people do not get their messages, or soon will not."""
    TICKET = "ticket"
    """Waits for working hours."""


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One alert; its runbook is `docs/operations/runbooks/<name>.md`.

    Alerts are grouped by `lane` and `component`, those about no component by their names. So its expression keeps these labels where it has them,
    or `labels` says them.
    """

    name: str
    severity: Severity
    expression: str
    wait: str
    """For how long the expression must hold; in a rules file it is called `for`."""
    summary: str
    """One line; may name labels as `{{ $labels.lane }}`."""
    users: str
    """What users feel."""
    labels: Mapping[str, str] = field(default_factory=dict)
