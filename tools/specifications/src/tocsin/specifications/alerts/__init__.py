"""Objectives, rules and alerts: the one source of the rules files, of the PrometheusRule, and of what the runbooks are named after."""

from tocsin.specifications.alerts.alert import RUNBOOKS, Alert, Severity
from tocsin.specifications.alerts.alertmanager_file import EXAMPLE, local_alertmanager
from tocsin.specifications.alerts.all_alerts import ALERTS
from tocsin.specifications.alerts.objectives import OBJECTIVES, Objective
from tocsin.specifications.alerts.rule_files import plain_files, prometheus_rule

__all__ = [
    "ALERTS",
    "EXAMPLE",
    "OBJECTIVES",
    "RUNBOOKS",
    "Alert",
    "Objective",
    "Severity",
    "local_alertmanager",
    "plain_files",
    "prometheus_rule",
]
