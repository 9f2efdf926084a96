"""Mistakes that the API server must refuse: the proof that its consent means something."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Mistake:
    """`make` spoils the first object of `kind`; the refusal has `word` in it."""

    what: str
    kind: str
    make: Callable[[Object], None]
    word: str

    def made_in(self, objects: Sequence[Object]) -> Object:
        """A spoilt copy. Raises StopIteration when there is none of this kind."""
        spoilt = copy.deepcopy(next(thing for thing in objects if thing["kind"] == self.kind))
        self.make(spoilt)
        return spoilt


def _container(workload: Object) -> Object:
    container: Object = workload["spec"]["template"]["spec"]["containers"][0]
    return container


def _misspelt_probe(deployment: Object) -> None:
    _container(deployment)["livenesProbe"] = _container(deployment).pop("livenessProbe")


def _port_that_is_none(route: Object) -> None:
    route["spec"]["rules"][0]["backendRefs"][0]["port"] = 99999


def _misspelt_bound(scaler: Object) -> None:
    scaler["spec"]["maxReplicas"] = scaler["spec"].pop("maxReplicaCount")


def _unit_that_is_none(deployment: Object) -> None:
    _container(deployment)["resources"]["limits"]["memory"] = "512MB"


def _interval_that_is_none(monitor: Object) -> None:
    monitor["spec"]["podMetricsEndpoints"][0]["interval"] = "often"


def _misspelt_expression(rules: Object) -> None:
    rule = rules["spec"]["groups"][0]["rules"][0]
    rule["expression"] = rule.pop("expr")


def _labels_of_others(deployment: Object) -> None:
    deployment["spec"]["selector"]["matchLabels"] = {"app.kubernetes.io/name": "another"}


def _root(pod: Object) -> None:
    pod["spec"]["securityContext"]["runAsNonRoot"] = False


MISTAKES: Final = (
    Mistake("a misspelt probe", "Deployment", _misspelt_probe, "livenesProbe"),
    Mistake("a memory limit in MB", "Deployment", _unit_that_is_none, "quantities"),
    Mistake("a selector that finds no Pod", "Deployment", _labels_of_others, "selector"),
    Mistake("a Pod that may be root", "Pod", _root, "runAsNonRoot"),
    Mistake("port 99999", "HTTPRoute", _port_that_is_none, "99999"),
    Mistake("a misspelt bound", "ScaledObject", _misspelt_bound, "maxReplicas"),
    Mistake("an interval that is no time", "PodMonitor", _interval_that_is_none, "interval"),
    Mistake("a misspelt expression", "PrometheusRule", _misspelt_expression, "expression"),
)
