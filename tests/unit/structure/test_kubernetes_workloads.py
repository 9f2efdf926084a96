"""The Pods of each overlay: closed down, asked how they are, replaced without a loss, and started by settings that are valid."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic_settings import BaseSettings
from tests.rendered_manifests import (
    OVERLAYS,
    Manifests,
    Object,
    container,
    labels,
    manifests,
    pod,
    title,
)

from tocsin.catcher.service_account import write_account
from tocsin.cli.config.processes import PROCESSES, process_of
from tocsin.cli.config.processes import settings_of as settings_of_process
from tocsin.dev.services import APIS
from tocsin.kafka import KafkaSettings
from tocsin.runtime import (
    Settings,
    SettingsInvalid,
    read_settings,
    settings_table,
    variables_of,
)
from tocsin.runtime.bounds import CLOSING
from tocsin.runtime.settings import EXAMPLE
from tocsin.specifications.settings_tables import settings_class

ROOT = Path(__file__).parents[3]
SERVICES = sorted(path.parent.name for path in ROOT.glob("services/*/pyproject.toml"))
OWNERS = {"dispatch-inapp": "inbox"}
"""Service → whose its tables are, where roles have another name."""


@pytest.fixture(params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> Manifests:
    return manifests(request.param)


def image_of(workload: Object) -> str:
    name: str = container(workload)["image"].rpartition("/")[2].partition(":")[0]
    return name


def settings_of(workload: Object) -> type[Settings]:
    """What its process reads."""
    words = [*container(workload).get("command", ()), *container(workload).get("args", ())]
    process = process_of(container(workload)["image"], words)
    assert process is not None, title(workload)
    return settings_of_process(process)


def ports_of(deployment: Object) -> dict[str, int]:
    return {port["name"]: port["containerPort"] for port in container(deployment)["ports"]}


def replicas(deployment: Object, overlay: Manifests) -> int:
    """How many there are at most."""
    for scaler in overlay.of_kind("ScaledObject", "HorizontalPodAutoscaler"):
        if scaler["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]:
            return int(scaler["spec"].get("maxReplicaCount") or scaler["spec"]["maxReplicas"])
    return int(deployment["spec"]["replicas"])


def selected(selector: Mapping[str, str], overlay: Manifests) -> list[str]:
    return [title(thing) for thing in overlay.deployments if selector.items() <= labels(thing).items()]


def test_each_deployment_is_selected_by_itself_alone_and_by_its_budget(overlay: Manifests) -> None:
    for deployment in overlay.deployments:
        name = deployment["metadata"]["name"]
        assert selected(deployment["spec"]["selector"]["matchLabels"], overlay) == [title(deployment)]
        budget = overlay.named("PodDisruptionBudget", name)["spec"]
        assert budget["maxUnavailable"] == 1
        assert selected(budget["selector"]["matchLabels"], overlay) == [title(deployment)]


def test_pods_of_one_deployment_are_spread(overlay: Manifests) -> None:
    for deployment in overlay.deployments:
        constraints = pod(deployment)["topologySpreadConstraints"]
        keys = [constraint["topologyKey"] for constraint in constraints]
        zones = ["topology.kubernetes.io/zone"] if overlay.overlay == "prod" else []
        assert keys == [*zones, "kubernetes.io/hostname"]
        for constraint in constraints:
            counted = {key for key in constraint["matchLabelKeys"] if key in labels(deployment)}
            assert {"pod-template-hash"} <= set(constraint["matchLabelKeys"])
            in_selector = constraint["labelSelector"]["matchLabels"]
            assert in_selector.items() <= labels(deployment).items()
            # Deployments with a label in both are accepted, and their Pods refused.
            assert not in_selector.keys() & set(constraint["matchLabelKeys"])
            assert selected({key: labels(deployment)[key] for key in counted}, overlay) == [title(deployment)]


def test_a_service_selects_one_deployment_and_a_port_it_has(overlay: Manifests) -> None:
    for service in overlay.of_kind("Service"):
        (chosen,) = selected(service["spec"]["selector"], overlay)
        (deployment,) = (thing for thing in overlay.deployments if title(thing) == chosen)
        assert [port["targetPort"] for port in service["spec"]["ports"]] == ["http"]
        assert "http" in ports_of(deployment)


def test_connections_are_encrypted_and_namespaces_closed_down(overlay: Manifests) -> None:
    (namespace,) = overlay.of_kind("Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    shared = overlay.generated("tocsin")
    assert shared == overlay.generated("setup")
    expected = ("SASL_PLAINTEXT", "prefer") if overlay.overlay == "dev" else ("SASL_SSL", "verify-full")
    assert (shared["KAFKA_SECURITY_PROTOCOL"], shared["DATABASE_TLS"]) == expected
    smtp, sendgrid = tomllib.loads(overlay.generated("dispatch-email-providers")["providers.toml"])[
        "providers"
    ]
    assert smtp["tls"] == "starttls"
    assert "base_url" not in sendgrid, "its default is https"


def test_a_pod_may_do_nothing_it_need_not(overlay: Manifests) -> None:
    for workload in overlay.workloads:
        spec, only = pod(workload), container(workload)
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert f"USER {spec['securityContext']['runAsUser']}:" in (ROOT / "deploy/Dockerfile").read_text()
        assert only["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert only["resources"]["limits"].keys() == {"memory"}
        assert only["resources"]["requests"].keys() == {"cpu", "memory"}
        writable = {volume["name"] for volume in spec.get("volumes", []) if "emptyDir" in volume}
        assert all(
            mount.get("readOnly") for mount in only.get("volumeMounts", []) if mount["name"] not in writable
        )


def test_what_runs_tenants_programs_keeps_its_crash_note_where_it_may_write(overlay: Manifests) -> None:
    for deployment in overlay.deployments:
        table = settings_table(settings_class(image_of(deployment)))
        folder = next((row.default for row in table if row.name == "CRASH_NOTES"), None)
        if folder is not None and container(deployment).get("args") != ["api"]:
            volumes = {volume["name"]: volume for volume in pod(deployment)["volumes"]}
            mounts = {mount["mountPath"]: mount["name"] for mount in container(deployment)["volumeMounts"]}
            assert "emptyDir" in volumes[mounts[folder]]


def test_how_a_process_ended_outlives_its_container(overlay: Manifests) -> None:
    for deployment in overlay.deployments:
        table = settings_table(settings_class(image_of(deployment)))
        (folder,) = [row.default for row in table if row.name == "EXIT_NOTES"]
        places = {mount["mountPath"]: mount["name"] for mount in container(deployment)["volumeMounts"]}
        volumes = {volume["name"]: volume for volume in pod(deployment)["volumes"]}
        assert "emptyDir" in volumes[places[folder]]


def test_a_pod_is_asked_how_it_is_at_the_port_of_operations(overlay: Manifests) -> None:
    for deployment in overlay.deployments:
        probes = {
            probe: container(deployment)[f"{probe}Probe"]["httpGet"]
            for probe in ("startup", "readiness", "liveness")
        }
        paths = {probe: get["path"] for probe, get in probes.items()}
        assert paths == {"startup": "/livez", "readiness": "/readyz", "liveness": "/livez"}
        assert {get["port"] for get in probes.values()} == {"operations"}


def test_a_pod_monitor_finds_every_deployment_at_the_port_of_operations() -> None:
    for name in ("staging", "prod"):
        overlay = manifests(name)
        (monitor,) = overlay.of_kind("PodMonitor")
        assert len(selected(monitor["spec"]["selector"]["matchLabels"], overlay)) == len(overlay.deployments)
        (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
        assert (endpoint["port"], endpoint["path"]) == ("operations", "/metrics")
        assert all("operations" in ports_of(deployment) for deployment in overlay.deployments)


def test_updates_and_ends_lose_nothing(overlay: Manifests) -> None:
    for deployment in overlay.deployments:
        assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
        nothing = {"preStop": {"exec": {"command": ["sleep", "0"]}}}
        before = container(deployment).get("lifecycle", nothing)["preStop"]["exec"]["command"][1]
        environment = overlay.environment(deployment)
        works_on = float(environment.get("WAVE_SECONDS", 0))
        needed = float(before) + works_on + float(environment["SHUTDOWN_TIMEOUT"]) + CLOSING
        assert pod(deployment)["terminationGracePeriodSeconds"] > needed


def test_members_of_groups_are_replaced_all_at_once_and_in_waves(overlay: Manifests) -> None:
    """ADR 35. Others have no group that would stop; they come and go one by one."""
    for deployment in overlay.deployments:
        role = container(deployment).get("args")
        member = image_of(deployment) != "ingest" and role not in (["api"], ["witness"], ["callbacks"])
        assert deployment["spec"]["strategy"]["rollingUpdate"]["maxSurge"] == ("100%" if member else 1)
        wave = float(overlay.environment(deployment)["WAVE_SECONDS"])
        assert 0 < container(deployment)["readinessProbe"]["periodSeconds"] < wave or not member


def test_the_settings_of_a_deployment_start_its_service(
    overlay: Manifests, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    topics = overlay.environment(next(job for job in overlay.of_kind("Job") if "topics" in title(job)))
    for deployment in overlay.deployments:
        given = overlay.environment(deployment) | mounted_instances(overlay, deployment, tmp_path)
        read = read_with(settings_of(deployment), given, monkeypatch)
        listening = {"operations": read.operations.port}
        role = container(deployment).get("args")
        if role == ["callbacks"] or (image_of(deployment) in APIS and role not in (["worker"], ["witness"])):
            listening["http"] = read.http.port
        assert ports_of(deployment) == listening
        shards = getattr(read, "shards", None)
        if shards is not None and role != ["api"]:
            assert replicas(deployment, overlay) <= shards <= int(topics["TOPIC_PARTITIONS"])


def test_each_lane_is_served_by_one_deployment_of_each_kind(overlay: Manifests) -> None:
    served: dict[str, list[str]] = {}
    for deployment in overlay.deployments:
        if "tocsin/lanes" in labels(deployment):
            lanes = overlay.environment(deployment).get("LANES", "critical,transactional,bulk").split(",")
            served.setdefault(labels(deployment)["app.kubernetes.io/name"], []).extend(lanes)
    assert served
    for name, lanes in served.items():
        assert sorted(lanes) == ["bulk", "critical", "transactional"], name
    apart = {labels(thing).get("tocsin/lanes") for thing in overlay.deployments} - {None, "shared"}
    assert apart == ({"critical"} if overlay.overlay == "prod" else set())


def test_every_variable_is_one_that_somebody_reads(overlay: Manifests) -> None:
    shared = overlay.generated("tocsin").keys()
    for workload in overlay.workloads:
        own = overlay.variables(workload).keys() - shared
        assert own <= variables_of(settings_of(workload)), title(workload)
    everyone = {name for process in PROCESSES for name in variables_of(settings_of_process(process))}
    assert shared <= everyone


def test_no_secret_is_a_variable_and_every_file_of_one_is_read(overlay: Manifests) -> None:
    for workload in overlay.workloads:
        assert all("secretRef" not in source for source in container(workload)["envFrom"])
        known, variables = variables_of(settings_of(workload)), overlay.variables(workload)
        read = {path for name, path in variables.items() if name in known}
        assert overlay.credentials(workload).keys() <= read, title(workload)


def test_the_jobs_log_in_as_who_may_make_topics_and_tables(
    overlay: Manifests, monkeypatch: pytest.MonkeyPatch
) -> None:
    for job in overlay.of_kind("Job"):
        given = overlay.environment(job)
        if "topics" in title(job):
            assert container(job)["command"] == ["tocsin", "topics", "apply"]
            assert read_with(KafkaSettings, given, monkeypatch).uses_sasl
            assert given["TOPIC_REPLICATION_FACTOR"] == ("1" if overlay.overlay == "dev" else "3")
        else:
            assert container(job)["args"] == ["migrate"]
            assert given["DATABASE_URL"].startswith(
                f"postgresql://{OWNERS.get(image_of(job), image_of(job))}_owner:"
            )


def test_services_are_not_the_owners_of_their_tables_but_for_the_ledger(overlay: Manifests) -> None:
    for deployment in overlay.deployments:
        if url := overlay.environment(deployment).get("DATABASE_URL"):
            assert url.partition("://")[2].partition(":")[0].endswith("_owner") == (
                image_of(deployment) == "ledger"
            )


def mounted_instances(overlay: Manifests, deployment: Object, folder: Path) -> dict[str, str]:
    """A dispatcher's instances and their secrets as files in `folder`, and the variable that names them; else nothing."""
    mounts = {mount["name"]: mount["mountPath"] for mount in container(deployment).get("volumeMounts", [])}
    if "providers" not in mounts:
        return {}
    volumes = {volume["name"]: volume for volume in pod(deployment)["volumes"]}
    text = overlay.named("ConfigMap", volumes["providers"]["configMap"]["name"])["data"]["providers.toml"]
    given = overlay.environment(deployment)
    (variable,) = (name for name in given if name.endswith("_PROVIDERS_FILE"))
    assert given[variable] == f"{mounts['providers']}/providers.toml"
    if "secrets" not in mounts:  # no instance has credentials
        (folder / "providers.toml").write_text(text)
        return {variable: str(folder / "providers.toml")}
    for secret, value in overlay.secret(volumes["secrets"]["secret"]["secretName"]).items():
        assert f'"{mounts["secrets"]}/{secret}"' in text
        (folder / secret).write_text(own(value))
    if (account := folder / "fcm-service-account.json").exists():
        write_account(account, project="example", token_uri="https://oauth2.example.com/token")
    (folder / "providers.toml").write_text(text.replace(mounts["secrets"], str(folder)))
    return {variable: str(folder / "providers.toml")}


def own(value: str) -> str:
    """With a secret of one's own where the example's stands, which no service takes."""
    return value.replace(EXAMPLE, "chosen-by-us")


def test_the_examples_secrets_start_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    overlay = manifests("staging")
    refused = 0
    for deployment in overlay.deployments:
        given = overlay.environment(deployment)
        if not any(EXAMPLE in value for value in given.values()):
            continue
        with monkeypatch.context() as alone:
            for name, value in given.items():
                alone.setenv(name, value)
            with pytest.raises(SettingsInvalid, match="this is the example's secret"):
                read_settings(settings_of(deployment))
        refused += 1
    assert refused == len(overlay.deployments)


def read_with(settings: Any, given: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Settings as a process with only these variables reads them."""
    with monkeypatch.context() as alone:
        for name in {row.name for row in settings_table(settings)}:
            alone.delenv(name, raising=False)
        for name, value in given.items():
            alone.setenv(name, own(value))
        assert issubclass(settings, BaseSettings)
        return read_settings(settings)
