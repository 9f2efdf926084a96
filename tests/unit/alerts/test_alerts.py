"""Each alert fires when it should and only then, has its page, and reads series that exist. `promtool`, Prometheus' own, judges."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.expressions import faults, series_of
from tests.rendered_manifests import manifests
from tests.unit.alerts.cases import AT_REST, CASES, Case
from tests.unit.alerts.shipped import (
    ALERTS_FILE,
    DISKS_FILE,
    EXPRESSIONS,
    NOT_SCRAPED,
    OBJECTIVES_FILE,
    groups,
)

from tocsin.cli import process_findings
from tocsin.cli.group_findings import LATE, LATE_AFTERWARDS
from tocsin.dev.observe import promtool, shipped_rules
from tocsin.specifications.alerts import ALERTS, OBJECTIVES, Alert

pytestmark = pytest.mark.prometheus

ROOT = Path(__file__).parents[3]
RUNBOOKS = ROOT / "docs" / "operations" / "runbooks"


def ask_promtool(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([promtool(), *words], capture_output=True, text=True, check=False)


def what_to_test(case: Case) -> dict[str, Any]:
    """What promtool is to test. Alerts are looked for among the series that they leave: texts are not compared."""
    samples = []
    if case.fires is not None:
        labels = {
            "alertname": case.alert,
            "alertstate": "firing",
            "severity": ALERTS[case.alert].severity.value,
            **case.fires,
        }
        samples.append(
            {
                "labels": f"ALERTS{{{','.join(f'{name}={json.dumps(value)}' for name, value in labels.items())}}}",
                "value": 1,
            }
        )
    expression = f'ALERTS{{alertname="{case.alert}",alertstate="firing"}}'
    return {
        "name": f"{case.alert} {case.what}".strip(),
        "interval": case.step,
        "input_series": [{"series": series, "values": values} for series, values in case.series.items()],
        "promql_expr_test": [{"expr": expression, "eval_time": case.at, "exp_samples": samples}],
    }


def run(tmp_path: Path, *, every: str, rules: list[Path], tests: list[dict[str, Any]]) -> str:
    """What promtool says of these tests; empty when all pass."""
    file = tmp_path / f"tests-{every}.yaml"
    content = {
        "rule_files": [str(path) for path in rules],
        "evaluation_interval": every,
        "group_eval_order": [group["name"] for path in rules for group in groups(path)],
        "tests": tests,
    }
    file.write_text(yaml.safe_dump(content))
    answer = ask_promtool("test", "rules", file)
    return "" if answer.returncode == 0 else answer.stdout + answer.stderr


def test_the_rules_are_rules() -> None:
    answer = ask_promtool("check", "rules", *shipped_rules())
    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize("every", ["15s", "30s", "30m"])
def test_alerts_fire_when_they_should_and_only_then(every: str, tmp_path: Path) -> None:
    tests = [what_to_test(case) for case in CASES if case.every == every]
    rules = [ALERTS_FILE, DISKS_FILE] if every == "15s" else [OBJECTIVES_FILE]
    assert run(tmp_path, every=every, rules=rules, tests=tests) == ""


def test_nothing_fires_where_nothing_moves(tmp_path: Path) -> None:
    at_rest = {
        "interval": "15s",
        "input_series": [{"series": series, "values": values} for series, values in AT_REST.items()],
        "promql_expr_test": [{"expr": 'ALERTS{alertname!=""}', "eval_time": at, "exp_samples": []} for at in ("1m", "15m")],
    }  # fmt: skip
    assert run(tmp_path, every="15s", rules=shipped_rules(), tests=[at_rest]) == ""


def test_that_nothing_fires_there_is_not_for_lack_of_series() -> None:
    read = {name for expression in EXPRESSIONS.values() for name in series_of(expression) if ":" not in name}
    assert read - {series.partition("{")[0] for series in AT_REST} == set()


def test_without_any_series_only_what_is_absent_fires(tmp_path: Path) -> None:
    nothing = {
        "interval": "15s",
        "input_series": [{"series": "unrelated", "values": "1x60"}],
        "promql_expr_test": [{
            "expr": "count by (alertname) (ALERTS)", "eval_time": "15m",
            "exp_samples": [{"labels": '{alertname="TocsinComponentGone"}', "value": 5}, {"labels": '{alertname="TocsinWitnessBlind"}', "value": 1}],
        }],
    }  # fmt: skip
    assert run(tmp_path, every="15s", rules=shipped_rules(), tests=[nothing]) == ""


def test_a_rule_that_the_operator_may_limit_to_our_namespace_reads_only_series_of_our_namespace() -> None:
    """Kubelets' and node exporters' series are of other namespaces; `excludedFromEnforcement` names the object that reads them."""
    foreign = {
        thing["metadata"]["name"]
        for thing in manifests("prod").objects
        if thing["kind"] == "PrometheusRule"
        for group in thing["spec"]["groups"]
        for rule in group["rules"]
        if re.search(r"\b(kubelet|node)_", rule["expr"])
    }
    assert foreign == {"tocsin-disks"}


def test_every_alert_has_a_test_and_a_page_and_every_page_an_alert() -> None:
    assert {case.alert for case in CASES if case.fires is not None} == ALERTS.keys()
    assert {page.stem for page in RUNBOOKS.glob("*.md")} == ALERTS.keys()


@pytest.mark.parametrize("rule", EXPRESSIONS)
def test_expressions_name_only_series_and_labels_that_exist(rule: str) -> None:
    assert faults(EXPRESSIONS[rule], also=NOT_SCRAPED) == []


@pytest.mark.parametrize("alert", ALERTS.values(), ids=lambda alert: alert.name)
def test_texts_name_only_labels_that_the_alert_has(alert: Alert) -> None:
    told = set(re.findall(r"\$labels\.(\w+)", alert.summary + alert.users))
    cases = [case.fires for case in CASES if case.alert == alert.name and case.fires is not None]
    # Of what `absent` and disks are about, one case has one label and another the other.
    assert told <= set().union(*cases)


def test_the_doctor_allows_records_to_wait_as_long_as_the_objectives_do() -> None:
    assert {objective.lane: objective.within for objective in OBJECTIVES if objective.within} == LATE
    assert f"> {LATE_AFTERWARDS}" in ALERTS["TocsinStatusReadLate"].expression


@pytest.mark.parametrize(
    ("alert", "bound"),
    [
        ("TocsinOutboxOld", process_findings.CHANGE_SECONDS),
        ("TocsinOutboxOld", process_findings.IMPORT_SECONDS),
        ("TocsinStuckPartition", process_findings.STUCK_SECONDS),
        ("TocsinTimersLate", process_findings.TIMER_SECONDS),
        ("TocsinCopyOld", process_findings.COPY_SECONDS),
        ("TocsinPoison", process_findings.POISON_A_SECOND),
        ("TocsinProducerFull", process_findings.PRODUCER_SHARE),
    ],
)
def test_the_doctors_bounds_are_those_of_the_alerts(alert: str, bound: float) -> None:
    assert re.search(rf"> {bound:g}(?![\d.])", ALERTS[alert].expression)
