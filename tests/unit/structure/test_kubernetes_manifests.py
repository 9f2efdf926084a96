"""The manifests are what Kubernetes understands, what the services need, and closed down."""

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic_settings import BaseSettings

from tocsin.catcher.service_account import write_account
from tocsin.dev.entry import OWNERS
from tocsin.dev.services import APIS
from tocsin.kafka import KafkaSettings
from tocsin.runtime import read_settings, settings_table
from tocsin.runtime.bounds import CLOSING
from tocsin.specifications.settings_tables import settings_class

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy" / "k8s"
SCHEMAS = json.loads((Path(__file__).parent / "kubernetes" / "schemas.json").read_text())
SERVICES = sorted(path.parent.name for path in ROOT.glob("services/*/pyproject.toml"))
VERSION = tomllib.loads((ROOT / "libs/common/pyproject.toml").read_text())["project"]["version"]
DOCUMENTS = [
    (path.name, document)
    for path in sorted(FOLDER.glob("*.yaml"))
    if path.name != "kustomization.yaml"
    for document in yaml.safe_load_all(path.read_text())
]


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [document for _, document in DOCUMENTS if document["kind"] == kind]


def named(kind: str, name: str) -> dict[str, Any]:
    (only,) = (document for document in of_kind(kind) if document["metadata"]["name"] == name)
    return only


DEPLOYMENTS = of_kind("Deployment")
WORKLOADS = DEPLOYMENTS + of_kind("Job")


def label(document: dict[str, Any]) -> str:
    return f"{document['kind']}-{document['metadata']['name']}"


deployments = pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=label)
workloads = pytest.mark.parametrize("workload", WORKLOADS, ids=label)


def pod(workload: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = workload["spec"]["template"]["spec"]
    return spec


def container(workload: dict[str, Any]) -> dict[str, Any]:
    (only,) = pod(workload)["containers"]
    assert isinstance(only, dict)
    return only


def ports_of(deployment: dict[str, Any]) -> dict[str, int]:
    return {port["name"]: port["containerPort"] for port in container(deployment)["ports"]}


def image_of(workload: dict[str, Any]) -> str:
    name, version = container(workload)["image"].removeprefix("tocsin/").split(":")
    assert version == VERSION
    return str(name)


def environment(workload: dict[str, Any]) -> dict[str, str]:
    """All variables of a container, by where Kubernetes takes them from."""
    variables: dict[str, str] = {}
    for source in container(workload)["envFrom"]:
        if "configMapRef" in source:
            variables |= named("ConfigMap", source["configMapRef"]["name"])["data"]
        else:
            variables |= named("Secret", source["secretRef"]["name"])["stringData"]
    return variables | {entry["name"]: entry["value"] for entry in container(workload).get("env", [])}


def faults(document: dict[str, Any]) -> list[str]:
    kind = SCHEMAS["kinds"][f"{document['apiVersion']}/{document['kind']}"]
    validator = jsonschema.Draft202012Validator({**kind, "$defs": SCHEMAS["$defs"]})
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]


@pytest.mark.parametrize(
    ("file", "document"), DOCUMENTS, ids=[f"{file}-{label(document)}" for file, document in DOCUMENTS]
)
def test_kubernetes_own_schemas_accept_every_document(file: str, document: dict[str, Any]) -> None:
    assert faults(document) == []


def test_the_schemas_find_a_field_that_does_not_exist() -> None:
    document = json.loads(json.dumps(DEPLOYMENTS[0]))
    pod(document)["containers"][0]["livenesProbe"] = {}
    assert len(faults(document)) == 1
    route = json.loads(json.dumps(of_kind("HTTPRoute")[0]))
    route["spec"]["rules"][0]["backendRefs"][0]["portNumber"] = 80
    assert len(faults(route)) == 1


def test_one_command_applies_every_file() -> None:
    listed = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]
    assert sorted(listed) == sorted({file for file, _ in DOCUMENTS})


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_its_manifest(service: str) -> None:
    document_kinds = [document["kind"] for file, document in DOCUMENTS if file == f"{service}.yaml"]
    assert set(document_kinds) >= {"Deployment", "ServiceAccount", "PodDisruptionBudget"}
    assert ("Service" in document_kinds) == (service in APIS)  # nobody calls the others
    assert document_kinds.count("Deployment") == (2 if service == "router" else 1)


@deployments
def test_what_points_at_a_deployment_finds_it(deployment: dict[str, Any]) -> None:
    name = deployment["metadata"]["name"]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert named("PodDisruptionBudget", name)["spec"]["selector"]["matchLabels"].items() <= labels.items()
    (spread,) = pod(deployment)["topologySpreadConstraints"]
    assert spread["labelSelector"]["matchLabels"].items() <= labels.items()
    assert named("ServiceAccount", pod(deployment)["serviceAccountName"])


@pytest.mark.parametrize("service", of_kind("Service"), ids=label)
def test_a_service_selects_one_deployment_and_a_port_it_has(service: dict[str, Any]) -> None:
    (selected,) = (
        deployment
        for deployment in DEPLOYMENTS
        if service["spec"]["selector"].items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
    )
    assert [port["targetPort"] for port in service["spec"]["ports"]] == ["http"]
    assert "http" in ports_of(selected)


def test_pods_and_connections_are_closed_down_for_all() -> None:
    assert (
        named("Namespace", "tocsin")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
        == "restricted"
    )
    shared = named("ConfigMap", "tocsin")["data"]
    assert (shared["KAFKA_SECURITY_PROTOCOL"], shared["DATABASE_TLS"]) == ("SASL_SSL", "verify-full")
    file = named("ConfigMap", "dispatch-email-providers")["data"]["providers.toml"]
    smtp, sendgrid = tomllib.loads(file)["providers"]
    assert smtp["tls"] == "starttls"
    assert "base_url" not in sendgrid, "its default is https"


@workloads
def test_a_pod_may_do_nothing_it_need_not(workload: dict[str, Any]) -> None:
    spec = pod(workload)
    assert spec["automountServiceAccountToken"] is False
    # Otherwise each Service injects variables such as INGEST_PORT, which read like settings.
    assert spec["enableServiceLinks"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert f"USER {spec['securityContext']['runAsUser']}:" in (ROOT / "deploy/Dockerfile").read_text()
    assert container(workload)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container(workload)["resources"]["limits"]["memory"]
    assert container(workload)["resources"]["requests"].keys() == {"cpu", "memory"}
    writable = {volume["name"] for volume in spec.get("volumes", []) if "emptyDir" in volume}
    mounts = container(workload).get("volumeMounts", [])
    assert all(mount.get("readOnly") for mount in mounts if mount["name"] not in writable)


@deployments
def test_what_runs_tenants_programs_keeps_its_crash_note_where_it_may_write(
    deployment: dict[str, Any],
) -> None:
    kind = settings_class(image_of(deployment))
    folder = next((row.default for row in settings_table(kind) if row.name == "CRASH_NOTES"), None)
    if folder is None or container(deployment).get("args") == ["api"]:
        return
    volumes = {volume["name"]: volume for volume in pod(deployment)["volumes"]}
    (mount,) = container(deployment)["volumeMounts"]
    assert (mount["mountPath"], "emptyDir" in volumes[mount["name"]]) == (folder, True)


@deployments
def test_a_pod_is_asked_how_it_is_and_measured(deployment: dict[str, Any]) -> None:
    only = container(deployment)
    paths = {
        probe: only[f"{probe}Probe"]["httpGet"]["path"] for probe in ("startup", "readiness", "liveness")
    }
    assert paths == {"startup": "/livez", "readiness": "/readyz", "liveness": "/livez"}
    annotations = deployment["spec"]["template"]["metadata"]["annotations"]
    for probe in ("startup", "readiness", "liveness"):
        assert only[f"{probe}Probe"]["httpGet"]["port"] == "operations"
    assert annotations == {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(ports_of(deployment)["operations"]),
        "prometheus.io/path": "/metrics",
    }


@deployments
def test_updates_and_ends_lose_nothing(deployment: dict[str, Any]) -> None:
    assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    before = (
        container(deployment).get("lifecycle", {}).get("preStop", {}).get("exec", {"command": ["sleep", "0"]})
    )
    needed = float(before["command"][1]) + float(environment(deployment)["SHUTDOWN_TIMEOUT"]) + CLOSING
    assert pod(deployment)["terminationGracePeriodSeconds"] > needed


@deployments
def test_the_settings_of_a_deployment_start_its_service(
    deployment: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given = environment(deployment) | mounted_instances(deployment, tmp_path)
    read = read_with(settings_class(image_of(deployment)), given, monkeypatch)
    listening = {"operations": read.operations.port}
    if image_of(deployment) in APIS and container(deployment).get("args") != ["worker"]:
        listening["http"] = read.http.port
    assert ports_of(deployment) == listening
    if image_of(deployment) == "ingest":
        assert read.instances == deployment["spec"]["replicas"]
    shards = getattr(read, "shards", None)
    if shards is not None and container(deployment).get("args") != ["api"]:
        assert deployment["spec"]["replicas"] <= shards
        assert shards <= int(environment(named("Job", "topics"))["TOPIC_PARTITIONS"])


@deployments
def test_every_variable_is_one_that_somebody_reads(deployment: dict[str, Any]) -> None:
    known = {row.name for row in settings_table(settings_class(image_of(deployment)))}
    shared = named("ConfigMap", "tocsin")["data"].keys()
    assert environment(deployment).keys() - shared <= known
    everyone = {row.name for service in SERVICES for row in settings_table(settings_class(service))}
    assert shared <= everyone


def test_the_topics_job_reaches_kafka_as_an_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    job = named("Job", "topics")
    assert container(job)["command"] == ["tocsin", "topics", "apply"]
    assert read_with(KafkaSettings, environment(job), monkeypatch).uses_sasl
    assert environment(job)["TOPIC_REPLICATION_FACTOR"] == "3"


@pytest.mark.parametrize("service", ["router", "ledger"])
def test_every_schema_is_migrated_by_a_job(service: str) -> None:
    job = named("Job", f"migrate-{service}")
    assert (image_of(job), container(job)["args"]) == (service, ["migrate"])
    assert "DATABASE_URL" in environment(job)


def test_each_path_leads_to_the_service_that_owns_it_as_in_the_local_stack() -> None:
    (route,) = of_kind("HTTPRoute")
    there = {
        match["path"]["value"]: backend["name"]
        for rule in route["spec"]["rules"]
        for backend in rule["backendRefs"]
        for match in rule["matches"]
    }
    assert there == dict(OWNERS)
    (gateway,) = of_kind("Gateway")
    assert route["spec"]["parentRefs"] == [{"name": gateway["metadata"]["name"]}]
    assert all(named("Service", owner) for owner in there.values())


def mounted_instances(deployment: dict[str, Any], folder: Path) -> dict[str, str]:
    """A dispatcher's instances and their secrets as files in `folder`, and the variable that names them; else nothing."""
    mounts = {mount["name"]: mount["mountPath"] for mount in container(deployment).get("volumeMounts", [])}
    if "providers" not in mounts:
        return {}
    volumes = {volume["name"]: volume for volume in pod(deployment)["volumes"]}
    text = named("ConfigMap", volumes["providers"]["configMap"]["name"])["data"]["providers.toml"]
    (variable,) = (name for name in environment(deployment) if name.endswith("_PROVIDERS_FILE"))
    assert environment(deployment)[variable] == f"{mounts['providers']}/providers.toml"
    for secret, value in named("Secret", volumes["secrets"]["secret"]["secretName"])["stringData"].items():
        assert f'"{mounts["secrets"]}/{secret}"' in text
        (folder / secret).write_text(value)
    if (account := folder / "fcm-service-account.json").exists():
        write_account(account, project="example", token_uri="https://oauth2.example.com/token")
    (folder / "providers.toml").write_text(text.replace(mounts["secrets"], str(folder)))
    return {variable: str(folder / "providers.toml")}


def read_with(settings: Any, given: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Settings as a process with only these variables reads them."""
    for name in {row.name for row in settings_table(settings)}:
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert issubclass(settings, BaseSettings)
    return read_settings(settings)
