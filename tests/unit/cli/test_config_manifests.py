"""`tocsin config check --manifests`: settings against what stands around them."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.rendered_manifests import manifests
from typer.testing import CliRunner

from tocsin.cli.config import command, environment, workloads
from tocsin.cli.config.across import across
from tocsin.cli.config.environment import ConfigFinding
from tocsin.cli.config.manifests import Manifests, ManifestsUnreadable, Workload, read_manifests
from tocsin.cli.config.processes import NotInstalled, settings_of
from tocsin.cli.config.workloads import checked_workloads

Object = dict[str, Any]
Change = Callable[[Object], None]
TEXT = """
apiVersion: v1
kind: Secret
metadata: {name: login}
stringData: {password: s3cret}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: shared}
data: {KAFKA_BOOTSTRAP_SERVERS: "kafka:9092", KAFKA_SECURITY_PROTOCOL: SASL_SSL}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: ingest}
spec:
  template:
    spec:
      terminationGracePeriodSeconds: 75
      containers:
        - name: ingest
          image: tocsin/ingest:1
          envFrom: [{configMapRef: {name: shared}}]
          env:
            - {name: KAFKA_SASL_USERNAME, value: ingest}
            - {name: KAFKA_SASL_PASSWORD, valueFrom: {secretKeyRef: {name: login, key: password}}}
            - {name: INGEST_INSTANCES, valueFrom: {configMapKeyRef: {name: shared, key: N}}}
"""


def found(objects: list[Object]) -> list[ConfigFinding]:
    given = Manifests(objects)
    workloads = checked_workloads(given, names=(), without_secrets=True)
    return [finding for workload in workloads for finding in workload.findings] + list(
        across(given, workloads)
    )


def prod(change: Change, *, kind: str = "Deployment", name: str = "dispatch-email") -> list[ConfigFinding]:
    """What is found in the overlay for production after a change of one object."""
    objects = copy.deepcopy(manifests("prod").objects)
    change(next(thing for thing in objects if (thing["kind"], thing["metadata"]["name"]) == (kind, name)))
    return found(objects)


def pod(workload: Object) -> Object:
    spec: Object = workload["spec"]["template"]["spec"]
    return spec


def with_variable(name: str, value: str) -> Change:
    def change(workload: Object) -> None:
        env = pod(workload)["containers"][0].setdefault("env", [])
        env[:] = [entry for entry in env if entry["name"] != name] + [{"name": name, "value": value}]

    return change


def with_grace(workload: Object) -> None:
    pod(workload)["terminationGracePeriodSeconds"] = 60


def with_a_limit(workload: Object) -> None:
    pod(workload)["containers"][0]["resources"]["limits"]["memory"] = "100Mi"


def without_transactional(workload: Object) -> None:
    with_variable("LANES", "bulk")(workload)


def with_more_pods(scaler: Object) -> None:
    scaler["spec"]["maxReplicaCount"] = 6


def with_another_group(scaler: Object) -> None:
    scaler["spec"]["triggers"][0]["metadata"]["consumerGroup"] = "shop.dispatch-email.transactional"


def with_a_rate(file: Object) -> None:
    text = file["data"]["providers.toml"]
    file["data"]["providers.toml"] = text.replace('kind = "sendgrid"\n', 'kind = "sendgrid"\nrate = 10\n')


@pytest.mark.parametrize(
    ("change", "kind", "name", "words"),
    [
        (with_grace, "Deployment", "dispatch-email", "grace period of 60 s is no longer than"),
        (with_a_limit, "Deployment", "dispatch-email", "memory limit is 100 MiB"),
        (with_variable("OPERATIONS_HOST", "127.0.0.1"), "Deployment", "dispatch-email", "nobody outside the Pod"),
        (with_variable("OPERATIONS_PORT", "9100"), "Deployment", "dispatch-email", "port `operations` is 9000"),
        (with_variable("INGEST_INSTANCES", "3"), "Deployment", "ingest", "tenants may send less"),
        (with_variable("INGEST_INSTANCES", "1"), "Deployment", "ingest", "tenants may send more"),
        (with_variable("KAFKA_TOPIC_PREFIX", "shop."), "Deployment", "ingest", "KAFKA_TOPIC_PREFIX differs"),
        (with_variable("ROUTER_SHARDS", "13"), "Deployment", "router-worker", "topics have 12 partitions"),
        (without_transactional, "Deployment", "scheduler", "No workload of scheduler serves transactional"),
        (with_more_pods, "ScaledObject", "dispatch-email", "2 of them hold nothing"),
        (with_another_group, "ScaledObject", "dispatch-email", "the lag that counts scales nothing"),
        (with_a_rate, "ConfigMap", "dispatch-email-providers", "faster than the providers' `rate`"),
        (with_variable("DISPATCH_EMAIL_SHARD", "4"), "Deployment", "dispatch-email", "DISPATCH_EMAIL_SHARD is no setting"),
        (with_variable("DATABASE_POOL_SIZE", "1"), "Deployment", "scheduler", "DATABASE_POOL_SIZE is 1"),
        (with_variable("LANES", "critical,bulk"), "Deployment", "scheduler-critical", "the lag that counts"),
    ],
)  # fmt: skip
def test_a_change_that_does_not_fit_is_found(change: Change, kind: str, name: str, words: str) -> None:
    assert any(words in finding.what for finding in prod(change, kind=kind, name=name))


def test_workloads_of_one_service_that_count_other_shards_in_a_lane_are_found() -> None:
    objects = copy.deepcopy(manifests("dev").objects)
    scheduler = next(
        thing
        for thing in objects
        if thing["metadata"]["name"] == "scheduler" and thing["kind"] == "Deployment"
    )
    second = copy.deepcopy(scheduler)
    second["metadata"]["name"] = "another"
    with_variable("SCHEDULER_SHARDS", "8")(second)
    told = [finding.what for finding in found([*objects, second])]
    assert sum("count 4, 8 shards in lane" in what for what in told) == 3


def test_variables_come_from_where_kubernetes_takes_them() -> None:
    given = read_manifests(TEXT)
    (ingest,) = checked_workloads(given, names=(), without_secrets=False)
    assert ingest.variables["KAFKA_SASL_PASSWORD"] == "s3cret"
    assert "INGEST_INSTANCES" not in ingest.variables
    assert "s3cret" not in str(ingest.findings)
    assert [finding.what for finding in ingest.findings] == []


def test_json_and_lists_are_read_too() -> None:
    objects = list(yaml.safe_load_all(TEXT))
    given = read_manifests(json.dumps({"kind": "List", "apiVersion": "v1", "items": objects}))
    assert [workload.title for workload in given.workloads] == ["Deployment ingest"]
    assert given.variables()["password"] == "s3cret"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no manifest"),
        ("a: [s3cret", "no YAML"),
        ("just words", "must be a Kubernetes object"),
        ("kind: Secret\nmetadata: {name: x}\ndata: {a: 's3cret!'}\nspec: {}", None),
    ],
)
def test_what_is_no_manifest_is_refused_without_its_content(text: str, words: str | None) -> None:
    with pytest.raises(ManifestsUnreadable, match=words or "not in base64") as refused:
        read_manifests(text).variables()
    assert "s3cret" not in str(refused.value)


def first(workload: Object) -> Object:
    container: Object = pod(workload)["containers"][0]
    return container


def with_a_bundle(objects: list[Object]) -> None:
    """A ConfigMap that is no TOML, beside the providers."""
    bundle = {"bundle.pem": "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"}
    objects.append({"kind": "ConfigMap", "metadata": {"name": "bundle"}, "data": bundle})
    for thing in objects:
        if thing["kind"] == "Deployment" and thing["metadata"]["name"] == "dispatch-email":
            pod(thing)["volumes"].insert(0, {"name": "bundle", "configMap": {"name": "bundle"}})
            first(thing)["volumeMounts"].insert(0, {"name": "bundle", "mountPath": "/etc/bundle"})


@pytest.mark.parametrize("rate", [False, True])
def test_only_the_file_of_providers_is_read_for_rates(rate: bool) -> None:
    objects = copy.deepcopy(manifests("prod").objects)
    with_a_bundle(objects)
    if rate:
        file = next(thing for thing in objects if thing["metadata"]["name"].startswith("dispatch-email-providers"))  # fmt: skip
        with_a_rate(file)
    told = [
        finding.where for finding in found(objects) if "faster than the providers' `rate`" in finding.what
    ]
    assert bool(told) == rate
    assert not any("callbacks" in title for where in told for title in where), "they send nothing"


def with_memory(limit: object) -> Workload:
    container = {"resources": {"limits": {"memory": limit}}}
    return Workload({"kind": "Deployment", "metadata": {"name": "x"}, "spec": {"template": {"spec": {"containers": [container]}}}})  # fmt: skip


@pytest.mark.parametrize(
    ("limit", "size"),
    [
        ("1Ti", 2**40),
        ("512000k", 512_000_000),
        ("1.5Gi", 3 * 2**29),
        ("2E", 2 * 10**18),
        ("128e6", 128_000_000),
        ("128974848000m", 128_974_848),
        (268435456, 2**28),
        ("256Mi", 2**28),
        ("1Ei", 2**60),
    ],
)
def test_memory_is_read_as_kubernetes_reads_it(limit: object, size: int) -> None:
    assert with_memory(limit).memory_limit == size


@pytest.mark.parametrize("limit", ["1K", "much", "1Gib", ""])
def test_memory_that_is_no_quantity_is_told_with_the_workload(limit: str) -> None:
    def change(workload: Object) -> None:
        first(workload)["resources"]["limits"]["memory"] = limit

    (finding,) = prod(change)
    assert finding.where == ("Deployment dispatch-email",)
    assert finding.what == f"Its memory limit {limit!r} is no quantity of Kubernetes."


@pytest.mark.parametrize(
    ("hook", "seconds"),
    [
        ({"exec": {"command": ["sleep", "30"]}}, 30),
        ({"exec": {"command": ["/bin/sleep", "30"]}}, 30),
        ({"exec": {"command": ["sh", "-c", "sleep 30"]}}, 30),
        ({"exec": {"command": ["/bin/sh", "-c", "sleep 0.5m"]}}, 30),
        ({"exec": {"command": ["sleep", "30s"]}}, 30),
        ({"sleep": {"seconds": 30}}, 30),
        ({"exec": {"command": ["sh", "-c", "sleep 5 && leave"]}}, None),
        ({"exec": {"command": ["leave"]}}, None),
        ({"httpGet": {"path": "/leave", "port": 80}}, None),
    ],
)
def test_the_grace_period_counts_what_passes_before_sigterm(hook: Object, seconds: int | None) -> None:
    def change(workload: Object) -> None:
        first(workload)["lifecycle"] = {"preStop": hook}

    (finding,) = prod(change)
    assert ("is no longer than" if seconds else "grace period cannot be checked") in finding.what


def test_a_scaler_may_go_down_to_none() -> None:
    def of_none(instances: str) -> list[str]:
        objects = copy.deepcopy(manifests("prod").objects)
        objects = [
            thing
            for thing in objects
            if thing["kind"] not in ("ScaledObject", "HorizontalPodAutoscaler")
            or thing["spec"]["scaleTargetRef"]["name"] != "ingest"
        ]
        ingest = next(thing for thing in objects if thing["kind"] == "Deployment" and thing["metadata"]["name"] == "ingest")  # fmt: skip
        with_variable("INGEST_INSTANCES", instances)(ingest)
        spec = {"scaleTargetRef": {"name": "ingest"}, "minReplicaCount": 0, "maxReplicaCount": 4}
        objects.append({"kind": "ScaledObject", "metadata": {"name": "ingest"}, "spec": spec})
        return [finding.what + finding.remedy for finding in found(objects) if "INGEST_INST" in finding.what]

    assert of_none("1") == []
    (told,) = of_none("3")
    assert "at least 0 Pods run" in told
    assert told.endswith("set it to 1")


def without_ingest(name: str) -> Any:
    if name == "ingest":
        raise NotInstalled(name)
    return settings_of(name)


def test_workloads_that_are_not_installed_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (workloads, environment):
        monkeypatch.setattr(module, "settings_of", without_ingest)
    file = tmp_path / "prod.yaml"
    file.write_text(yaml.safe_dump_all(manifests("prod").objects))
    ran = CliRunner().invoke(command.app, ["check", "--manifests", str(file), "ingest"])
    assert (ran.exit_code, ran.output) == (
        2,
        "ingest is not installed here: run this where it is, or in a checkout, which has all.\n",
    )
    ran = CliRunner().invoke(command.app, ["check", "--manifests", str(file)])
    assert ran.exit_code == 0
    assert "Not looked at, as they are not installed here: Deployment ingest.\n" in ran.output


def with_in_the_env_file(name: str, value: str) -> Change:
    def change(config: Object) -> None:
        config["data"][name] = value

    return change


def test_a_value_that_a_workloads_own_variable_shadows_is_told_with_both_places() -> None:
    """`tocsin.env` is the ConfigMap of all; shards stand in each Deployment."""
    config = next(thing["metadata"]["name"] for thing in manifests("prod").objects
                  if thing["kind"] == "ConfigMap" and thing["metadata"]["name"].startswith("tocsin-"))  # fmt: skip
    findings = prod(with_in_the_env_file("DISPATCH_EMAIL_SHARDS", "7"), kind="ConfigMap", name=config)
    (finding,) = environment.merged(finding for finding in findings if "Kubernetes takes" in finding.what)
    assert (finding.level, finding.where) == (
        "warning",
        ("Deployment dispatch-email", "Deployment dispatch-email-critical"),
    )
    assert finding.what == f"DISPATCH_EMAIL_SHARDS stands in ConfigMap {config} and, with another value, in its own `env`: Kubernetes takes the latter."  # fmt: skip


def test_of_two_sources_the_later_is_taken_and_equal_values_are_not_told() -> None:
    text = (
        TEXT.replace(
            "envFrom: [{configMapRef: {name: shared}}]",
            "envFrom: [{configMapRef: {name: shared}}, {secretRef: {name: later}}]",
        )
        + """
            - {name: KAFKA_SECURITY_PROTOCOL, value: SASL_SSL}
---
apiVersion: v1
kind: Secret
metadata: {name: later}
stringData: {KAFKA_BOOTSTRAP_SERVERS: "other:9092"}
"""
    )
    given = read_manifests(text)
    (workload,) = checked_workloads(given, names=(), without_secrets=False)
    assert workload.variables["KAFKA_BOOTSTRAP_SERVERS"] == "other:9092"
    told = [finding.what for finding in workload.findings if "Kubernetes takes" in finding.what]
    assert told == ["KAFKA_BOOTSTRAP_SERVERS stands in ConfigMap shared and, with another value, in Secret later: Kubernetes takes the latter."]  # fmt: skip
