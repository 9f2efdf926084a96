"""Who may talk to whom in Kubernetes: everything is denied, and what is permitted is what the workloads need."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

FOLDER = Path(__file__).parents[3] / "deploy" / "k8s"
DOCUMENTS = [
    document
    for path in sorted(FOLDER.glob("*.yaml"))
    if path.name != "kustomization.yaml"
    for document in yaml.safe_load_all(path.read_text())
]
POLICIES = [document for document in DOCUMENTS if document["kind"] == "NetworkPolicy"]
WORKLOADS = [document for document in DOCUMENTS if document["kind"] in ("Deployment", "Job")]
NAME = "app.kubernetes.io/name"
DNS = {("UDP", 53), ("TCP", 53)}
KAFKA, POSTGRESQL, SUBMISSION, HTTPS = (("TCP", port) for port in (9093, 5432, 587, 443))

workloads = pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload["metadata"]["name"])


def labels(workload: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = workload["spec"]["template"]["metadata"]["labels"]
    return found


def selects(policy: dict[str, Any], workload: dict[str, Any]) -> bool:
    selector, own = policy["spec"]["podSelector"], labels(workload)
    return selector.get("matchLabels", {}).items() <= own.items() and all(
        expression["operator"] == "In" and own[expression["key"]] in expression["values"]
        for expression in selector.get("matchExpressions", ())
    )


def rules(workload: dict[str, Any], direction: str) -> Iterator[tuple[dict[str, Any], tuple[str, Any]]]:
    """Each rule that permits the workload something, with each of its ports."""
    for policy in POLICIES:
        if selects(policy, workload):
            for rule in policy["spec"].get(direction, ()):
                yield from ((rule, (port["protocol"], port["port"])) for port in rule["ports"])


def test_everything_is_denied_that_is_not_permitted() -> None:
    (deny,) = (policy for policy in POLICIES if policy["metadata"]["name"] == "deny")
    assert deny["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_every_policy_selects_workloads_that_exist() -> None:
    names = {labels(workload)[NAME] for workload in WORKLOADS}
    for policy in POLICIES:
        assert any(selects(policy, workload) for workload in WORKLOADS), policy["metadata"]["name"]
        for expression in policy["spec"]["podSelector"].get("matchExpressions", ()):
            assert set(expression["values"]) <= names


@workloads
def test_the_gateway_reaches_the_api_alone_and_prometheus_the_metrics_alone(workload: dict[str, Any]) -> None:
    (container,) = workload["spec"]["template"]["spec"]["containers"]
    ports = {port["name"] for port in container.get("ports", ())}
    permitted = {
        (source["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"], port)
        for rule, (_, port) in rules(workload, "ingress")
        for source in rule["from"]
    }
    assert permitted == {("monitoring", "operations")} | ({("gateway", "http")} if "http" in ports else set())


@workloads
def test_a_workload_reaches_what_its_settings_name_and_nothing_else(workload: dict[str, Any]) -> None:
    (container,) = workload["spec"]["template"]["spec"]["containers"]
    secrets = [source["secretRef"]["name"] for source in container["envFrom"] if "secretRef" in source]
    (secret,) = (
        document["stringData"]
        for document in DOCUMENTS
        if document["kind"] == "Secret" and document["metadata"]["name"] in secrets
    )
    expected = set(DNS)
    if container.get("args") != ["migrate"]:
        expected.add(KAFKA)
    if "DATABASE_URL" in secret:
        expected.add(POSTGRESQL)
    expected |= {
        "dispatch-email": {SUBMISSION, HTTPS},
        "dispatch-sms": {HTTPS},
        "dispatch-push": {HTTPS},
    }.get(labels(workload)[NAME], set())
    assert {port for _, port in rules(workload, "egress")} == expected


def test_the_ports_are_those_of_the_examples() -> None:
    (config,) = (
        document["data"]
        for document in DOCUMENTS
        if document["kind"] == "ConfigMap" and document["metadata"]["name"] == "tocsin"
    )
    brokers = config["KAFKA_BOOTSTRAP_SERVERS"].split(",")
    assert {int(broker.rpartition(":")[2]) for broker in brokers} == {KAFKA[1]}
    urls = [
        document["stringData"]["DATABASE_URL"]
        for document in DOCUMENTS
        if document["kind"] == "Secret" and "DATABASE_URL" in document["stringData"]
    ]
    assert all(f":{POSTGRESQL[1]}/" in url for url in urls)


@workloads
def test_providers_are_reached_on_the_internet_and_never_inside(workload: dict[str, Any]) -> None:
    for rule, port in rules(workload, "egress"):
        if port == HTTPS:
            blocks = {block["ipBlock"]["cidr"]: block["ipBlock"]["except"] for block in rule["to"]}
            assert {"169.254.0.0/16", "10.0.0.0/8"} <= set(blocks["0.0.0.0/0"])
            assert "fc00::/7" in blocks["::/0"]
