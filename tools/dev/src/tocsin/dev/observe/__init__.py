"""The observation stack: a real Prometheus and Alertmanager over the processes of a local stack; for tests a real Jaeger."""

from tocsin.dev.observe.alertmanager import AlertmanagerServer, amtool
from tocsin.dev.observe.jaeger import JaegerServer
from tocsin.dev.observe.prometheus import PrometheusServer, promtool, shipped_rules
from tocsin.dev.observe.witness import WitnessServer

__all__ = [
    "AlertmanagerServer",
    "JaegerServer",
    "PrometheusServer",
    "WitnessServer",
    "amtool",
    "promtool",
    "shipped_rules",
]
