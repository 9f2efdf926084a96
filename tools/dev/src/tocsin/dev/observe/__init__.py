"""The observation stack: a real Prometheus and Alertmanager over the processes of a local stack."""

from tocsin.dev.observe.alertmanager import AlertmanagerServer, amtool
from tocsin.dev.observe.prometheus import PrometheusServer, promtool, shipped_rules
from tocsin.dev.observe.witness import WitnessServer

__all__ = ["AlertmanagerServer", "PrometheusServer", "WitnessServer", "amtool", "promtool", "shipped_rules"]
