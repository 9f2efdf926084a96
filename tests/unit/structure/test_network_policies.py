"""Who may talk to whom in Kubernetes: everything is denied, and what is permitted is what the workloads need."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.rendered_manifests import NAME, OVERLAYS, Manifests, container, labels, manifests, title

DNS = {("UDP", 53), ("TCP", 53)}
KAFKA, POSTGRESQL, SUBMISSION, HTTPS = (("TCP", port) for port in (9093, 5432, 587, 443))

BY_HAND = {"app.kubernetes.io/component": "by-hand"}
"""The Pod of the component of this name, in which somebody runs commands."""


@pytest.fixture(params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> Manifests:
    return manifests(request.param)


def selects(policy: dict[str, Any], workload: dict[str, Any]) -> bool:
    selector, own = policy["spec"]["podSelector"], labels(workload)
    return selector.get("matchLabels", {}).items() <= own.items() and all(
        expression["operator"] == "In" and own[expression["key"]] in expression["values"]
        for expression in selector.get("matchExpressions", ())
    )


def rules(
    overlay: Manifests, workload: dict[str, Any], direction: str
) -> Iterator[tuple[dict[str, Any], tuple[str, Any]]]:
    """Each rule that permits the workload something, with each of its ports."""
    for policy in overlay.of_kind("NetworkPolicy"):
        if selects(policy, workload):
            for rule in policy["spec"].get(direction, ()):
                yield from ((rule, (port["protocol"], port["port"])) for port in rule["ports"])


def test_everything_is_denied_that_is_not_permitted(overlay: Manifests) -> None:
    deny = overlay.named("NetworkPolicy", "deny")
    assert deny["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_every_policy_selects_workloads_that_exist(overlay: Manifests) -> None:
    names = {labels(workload)[NAME] for workload in overlay.workloads}
    for policy in overlay.of_kind("NetworkPolicy"):
        if (
            policy["spec"]["podSelector"].get("matchLabels") != BY_HAND
        ):  # which overlays of one's own may list
            assert any(selects(policy, workload) for workload in overlay.workloads), title(policy)
        for expression in policy["spec"]["podSelector"].get("matchExpressions", ()):
            assert set(expression["values"]) <= names


def who(source: dict[str, Any]) -> str:
    """A namespace, or Pods of our own."""
    if "podSelector" in source:
        assert source == {"podSelector": {"matchLabels": BY_HAND}}
        return "by-hand"
    return str(source["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"])


def test_the_gateway_reaches_the_api_alone_and_prometheus_and_by_hand_the_metrics_alone(
    overlay: Manifests,
) -> None:
    for workload in overlay.workloads:
        ports = {port["name"] for port in container(workload).get("ports", ())}
        permitted = {
            (who(source), port)
            for rule, (_, port) in rules(overlay, workload, "ingress")
            for source in rule["from"]
        }
        expected = {("monitoring", "operations"), ("by-hand", "operations")}
        expected |= {("gateway", "http")} if "http" in ports else set()
        assert permitted == expected, title(workload)


def test_a_workload_reaches_what_its_settings_name_and_nothing_else(overlay: Manifests) -> None:
    for workload in overlay.workloads:
        expected = set(DNS)
        if container(workload).get("args") != ["migrate"]:
            expected.add(KAFKA)
        if "DATABASE_URL" in overlay.environment(workload):
            expected.add(POSTGRESQL)
        expected |= {
            "dispatch-email": {SUBMISSION, HTTPS},
            "dispatch-sms": {HTTPS},
            "dispatch-push": {HTTPS},
            "dispatch-chat": {HTTPS},
            "dispatch-webhook": {HTTPS},
        }.get(labels(workload)[NAME], set())
        assert {port for _, port in rules(overlay, workload, "egress")} == expected, title(workload)


def test_the_ports_are_those_of_the_examples(overlay: Manifests) -> None:
    brokers = overlay.generated("tocsin")["KAFKA_BOOTSTRAP_SERVERS"].split(",")
    assert {int(broker.rpartition(":")[2]) for broker in brokers} == {KAFKA[1]}
    given = [overlay.environment(workload) for workload in overlay.workloads]
    urls = [variables["DATABASE_URL"] for variables in given if "DATABASE_URL" in variables]
    assert urls
    assert all(f":{POSTGRESQL[1]}/" in url for url in urls)


def test_providers_are_reached_on_the_internet_and_never_inside(overlay: Manifests) -> None:
    for workload in overlay.workloads:
        for rule, port in rules(overlay, workload, "egress"):
            if port == HTTPS:
                blocks = {block["ipBlock"]["cidr"]: block["ipBlock"]["except"] for block in rule["to"]}
                assert {"169.254.0.0/16", "10.0.0.0/8"} <= set(blocks["0.0.0.0/0"])
                assert "fc00::/7" in blocks["::/0"]
