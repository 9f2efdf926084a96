"""The example of Alertmanager's configuration: taken by Alertmanager's own checker, complete, and without secrets."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.alerts.cases import CASES

from tocsin.dev.observe import amtool
from tocsin.specifications.alerts import ALERTS

pytestmark = pytest.mark.prometheus

FILE = Path(__file__).parents[3] / "deploy" / "observability" / "alertmanager.yaml"
LOCAL = Path(__file__).parents[3] / "deploy" / "compose" / "alertmanager.yml"
CONFIGURATION = yaml.safe_load(FILE.read_text())
RECEIVERS = {receiver["name"]: receiver for receiver in CONFIGURATION["receivers"]}


def ask_amtool(*words: str) -> str:
    answer = subprocess.run([amtool(), *words], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def test_alertmanager_takes_it() -> None:
    assert "SUCCESS" in ask_amtool("check-config", str(FILE))


def test_the_local_one_calls_nobody_and_is_silenced_in_the_same_way() -> None:
    assert "SUCCESS" in ask_amtool("check-config", str(LOCAL))
    local = yaml.safe_load(LOCAL.read_text())
    assert local["inhibit_rules"] == CONFIGURATION["inhibit_rules"]
    assert local["receivers"] == [{"name": "nobody"}]


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (("severity=page", "alertname=TocsinRecordsWait", "lane=critical", "component=router"), "pages"),
        (("severity=ticket", "alertname=TocsinDeadLetters", "lane=bulk"), "tickets"),
        (("severity=critical", "alertname=SomebodyElses"), "tickets"),
    ],
)
def test_severities_go_where_they_belong(labels: tuple[str, ...], receiver: str) -> None:
    ask_amtool("config", "routes", "test", f"--config.file={FILE}", f"--verify.receivers={receiver}", *labels)


def test_pages_and_tickets_reach_people_on_each_of_the_four_ways() -> None:
    assert RECEIVERS["pages"].keys() >= {"pagerduty_configs", "opsgenie_configs", "slack_configs"}
    assert RECEIVERS["tickets"].keys() >= {"email_configs", "slack_configs"}


def test_secrets_are_files() -> None:
    words = re.findall(r"^\s*-?\s*(\w*(?:password|key|url|token|secret)\w*):", FILE.read_text(), re.MULTILINE)
    assert set(words) == {"smtp_auth_password_file", "slack_api_url_file", "opsgenie_api_key_file", "routing_key_file"}  # fmt: skip


def test_what_silences_and_what_is_silenced_are_alerts_of_ours() -> None:
    named = set(re.findall(r"Tocsin\w+", FILE.read_text()))
    assert named <= ALERTS.keys()


def silenced_by(name: str) -> dict[str, set[str]]:
    """The alerts that it silences, and the labels in which they must be equal."""
    return {
        target: set(rule["equal"]) - {"namespace"}
        for rule in CONFIGURATION["inhibit_rules"]
        if name in re.findall(r"Tocsin\w+", " ".join(rule["source_matchers"]))
        for target in re.findall(r"Tocsin\w+", " ".join(rule["target_matchers"]))
    }


def test_one_refused_provider_silences_itself_alone() -> None:
    assert silenced_by("TocsinCredentialsRefused") == {"TocsinProviderDown": {"channel", "provider"}}


def test_records_that_stop_nothing_silence_nothing_that_stands_still() -> None:
    assert silenced_by("TocsinPoison").keys() == {"TocsinDeadLetters"}


def test_a_blind_witness_silences_what_only_it_can_see() -> None:
    seen = {alert.name: set[str]() for alert in ALERTS.values() if "tocsin_group_" in alert.expression}
    assert silenced_by("TocsinWitnessBlind") == seen


def test_an_installation_silences_only_itself_and_pages_by_itself() -> None:
    assert all("namespace" in rule["equal"] for rule in CONFIGURATION["inhibit_rules"])
    assert all("namespace" in group for group in groupings(CONFIGURATION["route"]))


def groupings(route: dict[str, Any]) -> Iterator[list[str]]:
    """By which labels alerts are put together, here and below."""
    if "group_by" in route:
        yield route["group_by"]
    for below in route.get("routes", []):
        yield from groupings(below)


@pytest.mark.parametrize(
    ("severity", "matcher"),
    [
        ("page", 'component=""'),
        ("ticket", 'component=""'),
        ("page", 'alertname="TocsinCredentialsRefused"'),
    ],
)
def test_alerts_about_different_things_are_not_one_incident(severity: str, matcher: str) -> None:
    """Else a full disk joins the incident of a certificate, or a dead channel that of a refused backup, and wakes nobody."""
    (route,) = (
        route for route in CONFIGURATION["route"]["routes"] if route["matchers"] == [f'severity="{severity}"']
    )
    (below,) = (below for below in route["routes"] if below["matchers"] == [matcher])
    assert "alertname" in below["group_by"]


def test_a_source_of_silence_has_the_labels_by_which_it_is_compared() -> None:
    """Two alerts that both lack a label count as equal in it, so a label that a source does not have would silence too much. `namespace` is
    there, or lacking, on all alerts of an installation."""
    for rule in CONFIGURATION["inhibit_rules"]:
        for name in re.findall(r"Tocsin\w+", " ".join(rule["source_matchers"])):
            labels = {label for case in CASES if case.alert == name for label in case.fires or ()}
            assert set(rule["equal"]) - {"namespace"} <= labels, name
