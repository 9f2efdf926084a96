"""The observation stack: a real Prometheus and Alertmanager over the processes of a local stack."""

from tocsin.dev.observe.alertmanager import AlertmanagerServer, amtool
from tocsin.dev.observe.prometheus import PrometheusServer, promtool, shipped_rules

__all__ = ["AlertmanagerServer", "PrometheusServer", "amtool", "promtool", "shipped_rules"]
