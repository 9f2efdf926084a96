"""The rules as Prometheus reads them, and as its Operator does."""

from collections.abc import Iterable
from typing import Any, Final

import yaml

from tocsin.specifications.alerts.alert import RUNBOOKS, Alert
from tocsin.specifications.alerts.all_alerts import GROUPS, OBJECTIVES, OF_DISKS
from tocsin.specifications.alerts.objectives import DAYS, HOURS, RATES_EVERY, Recording, burns, rates

Group = dict[str, Any]

EVERY: Final = "15s"
"""Prometheus' own default, a minute, would add up to two minutes to each alert."""
_HEAD: Final = "# Written by `make contracts` from tools/specifications/src/tocsin/specifications/alerts; change it there.\n"


class _Dumper(yaml.SafeDumper):
    """Expressions of several lines stay as they are read, and what is said twice is written twice."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the library asks of each value
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def plain_files(runbooks: str = RUNBOOKS) -> dict[str, str]:
    """Name → text of the rules files."""
    return {
        "objectives.yaml": _written({"groups": [*_recordings(), *_alerts(runbooks, [OBJECTIVES])]}),
        "alerts.yaml": _written(
            {"groups": _alerts(runbooks, [name for name in GROUPS if name not in (OBJECTIVES, OF_DISKS)])}
        ),
        "disks.yaml": _written({"groups": _alerts(runbooks, [OF_DISKS])}),
    }


def prometheus_rule(runbooks: str = RUNBOOKS) -> str:
    """The same rules as two objects of the Prometheus Operator. Where it limits rules to their own namespace, that of disks must be left out."""
    ours = [*_recordings(), *_alerts(runbooks, (name for name in GROUPS if name != OF_DISKS))]
    return _written(_object("tocsin", ours), _object(OF_DISKS, _alerts(runbooks, [OF_DISKS])))


def _object(name: str, groups: list[Group]) -> dict[str, Any]:
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": name},
        "spec": {"groups": groups},
    }


def _written(*contents: dict[str, Any]) -> str:
    return _HEAD + yaml.dump_all(contents, Dumper=_Dumper, sort_keys=False, width=1_000)


def _recordings() -> list[Group]:
    """The longer the windows, the less often: a month has 86,400 of the rates' samples for each objective."""
    return [
        _group("tocsin-rates", f"{RATES_EVERY}s", map(_recording, rates())),
        _group("tocsin-burns-of-hours", "1m", map(_recording, burns(HOURS))),
        _group("tocsin-burns-of-days", "3m", map(_recording, burns(DAYS))),
    ]


def _group(name: str, every: str, rules: Iterable[dict[str, Any]]) -> Group:
    return {"name": name, "interval": every, "rules": list(rules)}


def _recording(rule: Recording) -> dict[str, Any]:
    labels = {"labels": rule.labels} if rule.labels else {}
    return {"record": rule.record, "expr": rule.expression, **labels}


def _alerts(runbooks: str, names: Iterable[str]) -> list[Group]:
    return [_group(name, EVERY, (_alert(alert, runbooks) for alert in GROUPS[name])) for name in names]


def _alert(alert: Alert, runbooks: str) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": alert.expression,
        "for": alert.wait,
        "labels": {"severity": alert.severity.value, **alert.labels},
        "annotations": {
            "summary": alert.summary,
            "users": alert.users,
            "runbook_url": f"{runbooks.rstrip('/')}/{alert.name}.md",
        },
    }
