"""All alerts, in the groups that the rules files have."""

from collections.abc import Mapping
from itertools import chain
from typing import Final

from tocsin.specifications.alerts.absence import ABSENCE
from tocsin.specifications.alerts.alert import Alert
from tocsin.specifications.alerts.disks import DISKS
from tocsin.specifications.alerts.expiry import EXPIRY
from tocsin.specifications.alerts.objectives import BURN_ALERTS
from tocsin.specifications.alerts.processes import PROCESSES
from tocsin.specifications.alerts.providers import PROVIDERS
from tocsin.specifications.alerts.refusals import REFUSALS
from tocsin.specifications.alerts.waiting import WAITING

OBJECTIVES: Final = "tocsin-objectives"
OF_DISKS: Final = "tocsin-disks"
GROUPS: Final[Mapping[str, tuple[Alert, ...]]] = {
    OBJECTIVES: BURN_ALERTS,
    "tocsin-waiting": WAITING,
    "tocsin-absence": ABSENCE,
    "tocsin-refusals": REFUSALS,
    "tocsin-providers": PROVIDERS,
    "tocsin-processes": PROCESSES,
    "tocsin-expiry": EXPIRY,
    OF_DISKS: DISKS,
}

ALERTS: Final = {alert.name: alert for alert in chain.from_iterable(GROUPS.values())}
