"""What each overlay sends to Kubernetes: objects it understands, labelled, all of one version, and renewed when a setting changes."""

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from tests.rendered_manifests import (
    NAME,
    OVERLAYS,
    Manifests,
    Object,
    container,
    labels,
    manifests,
    plain_name,
    pod,
    title,
)

from tocsin.dev.kube.rendering import FOLDER, with_setting
from tocsin.dev.services import APIS

ROOT = Path(__file__).parents[3]
SCHEMAS = json.loads((Path(__file__).parent / "kubernetes" / "schemas.json").read_text())
SERVICES = sorted(path.parent.name for path in ROOT.glob("services/*/pyproject.toml"))
VERSION = tomllib.loads((ROOT / "libs/common/pyproject.toml").read_text())["project"]["version"]
COMPONENTS = {*SERVICES, "setup"}


@pytest.fixture(params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> Manifests:
    return manifests(request.param)


def faults(document: Object) -> list[str]:
    kind = SCHEMAS["kinds"][f"{document['apiVersion']}/{document['kind']}"]
    validator = jsonschema.Draft202012Validator({**kind, "$defs": SCHEMAS["$defs"]})
    return [
        f"{title(document)}{error.json_path}: {error.message}" for error in validator.iter_errors(document)
    ]


def test_the_schemas_of_every_kind_accept_every_object(overlay: Manifests) -> None:
    assert [fault for thing in overlay.objects for fault in faults(thing)] == []


@pytest.mark.parametrize(
    ("kind", "place", "word"),
    [
        ("Deployment", ("spec", "template", "spec", "containers", 0), "livenesProbe"),
        ("HTTPRoute", ("spec", "rules", 0, "backendRefs", 0), "portNumber"),
        ("ScaledObject", ("spec",), "maxReplicas"),
        ("PodMonitor", ("spec", "podMetricsEndpoints", 0), "every"),
        ("HorizontalPodAutoscaler", ("spec", "scaleTargetRef"), "version"),
    ],
)
def test_the_schemas_find_a_field_that_does_not_exist(kind: str, place: tuple[Any, ...], word: str) -> None:
    document = json.loads(json.dumps(manifests("prod").of_kind(kind)[0]))
    part = document
    for step in place:
        part = part[step]
    part[word] = {}
    assert len(faults(document)) == 1


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_its_manifest(service: str, overlay: Manifests) -> None:
    workers = {thing["metadata"]["name"] for thing in overlay.deployments if component(thing) == service}
    expected = {
        "router": {"router-api", "router-worker"},
        "ledger": {"ledger", "ledger-witness"},
        "dispatch-email": {"dispatch-email", "dispatch-email-callbacks"},
        "dispatch-sms": {"dispatch-sms", "dispatch-sms-callbacks"},
    }.get(service, {service})
    assert {name.removesuffix("-critical") for name in workers} == expected
    has_service = any(thing["metadata"]["name"] == service for thing in overlay.of_kind("Service"))
    assert has_service == (service in APIS)  # nobody calls the others
    assert overlay.named("ServiceAccount", service)["automountServiceAccountToken"] is False


def test_everything_has_the_labels_that_kubernetes_recommends(overlay: Manifests) -> None:
    common = {
        "app.kubernetes.io/part-of": "tocsin",
        "app.kubernetes.io/version": VERSION,
        "app.kubernetes.io/managed-by": "kustomize",
        "app.kubernetes.io/instance": f"tocsin-{overlay.overlay}",
    }
    for thing in overlay.objects:
        assert common.items() <= thing["metadata"]["labels"].items(), title(thing)
    for workload in overlay.workloads:
        own = labels(workload)
        assert common.items() <= own.items(), title(workload)
        assert component(workload) in COMPONENTS
        assert own[NAME] == container(workload)["name"]
        assert (
            own.items()
            >= {
                key: workload["metadata"]["labels"][key] for key in (NAME, "app.kubernetes.io/component")
            }.items()
        )


def test_what_makes_pods_has_a_component_and_nothing_else_has(overlay: Manifests) -> None:
    """So an upgrade may apply first all that Pods read, then one component after the other."""
    for thing in overlay.objects:
        named = "app.kubernetes.io/component" in thing["metadata"]["labels"]
        assert named == (thing["kind"] in ("Deployment", "Job")), title(thing)


def test_every_image_has_the_version_and_the_overlays_registry(overlay: Manifests) -> None:
    for workload in overlay.workloads:
        name, version = container(workload)["image"].split(":")
        assert (name.rpartition("/")[0], version) == ("registry.example.com/tocsin", VERSION)
        if component(workload) in SERVICES:
            assert name.rpartition("/")[2] == component(workload)


def test_a_changed_setting_brings_new_pods_and_leaves_the_jobs_as_they_are(tmp_path: Path) -> None:
    before = manifests("staging")
    changed = with_setting("staging", "LOG_LEVEL=DEBUG", folder=tmp_path / "changed")
    for workload in before.workloads:
        (after,) = (thing for thing in changed if title(thing) == title(workload))
        assert (after == workload) == (workload["kind"] == "Job"), title(workload)
    for thing in changed:
        if thing["kind"] in ("ConfigMap", "Secret", "ExternalSecret", "TriggerAuthentication"):
            assert thing["metadata"]["namespace"] == "tocsin-staging"


def test_a_job_is_another_one_in_the_next_version(overlay: Manifests) -> None:
    names = {thing["metadata"]["name"] for thing in overlay.of_kind("Job")}
    suffix = "-" + VERSION.replace(".", "-")
    assert names == {
        f"{job}{suffix}"
        for job in (
            "topics",
            "migrate-router",
            "migrate-ledger",
            "migrate-scheduler",
            "migrate-dispatch-inapp",
        )
    }


def test_what_is_named_is_there(overlay: Manifests) -> None:
    there = {(thing["kind"], thing["metadata"]["name"]) for thing in overlay.objects}
    there |= {("Secret", thing["spec"]["target"]["name"]) for thing in overlay.of_kind("ExternalSecret")}
    for workload in overlay.workloads:
        for source in container(workload)["envFrom"]:
            assert ("ConfigMap", source["configMapRef"]["name"]) in there
        for volume in pod(workload).get("volumes", []):
            if "configMap" in volume:
                assert ("ConfigMap", volume["configMap"]["name"]) in there
            if "secret" in volume:
                assert ("Secret", volume["secret"]["secretName"]) in there
        assert ("ServiceAccount", pod(workload)["serviceAccountName"]) in there
    for login in overlay.of_kind("TriggerAuthentication"):
        for reference in login["spec"]["secretTargetRef"]:
            assert ("Secret", reference["name"]) in there
            assert reference["key"] in overlay.secret(reference["name"])


def test_grafana_finds_every_dashboard() -> None:
    shipped = {
        file.name: file.read_text() for file in (ROOT / "deploy/observability/dashboards").glob("*.json")
    }
    for name in ("staging", "prod"):
        dashboards = manifests(name).named("ConfigMap", "dashboards")
        assert dashboards["data"] == shipped
        assert dashboards["metadata"]["labels"]["grafana_dashboard"] == "1"


def test_dev_and_staging_show_the_secrets_that_prod_takes_from_a_secret_manager() -> None:
    examples = {plain_name(thing) for thing in manifests("staging").of_kind("Secret")}
    assert examples == {thing["metadata"]["name"] for thing in manifests("prod").of_kind("ExternalSecret")}


def component(workload: Object) -> str:
    own: str = labels(workload)["app.kubernetes.io/component"]
    return own


def test_every_file_of_the_base_and_of_a_component_is_used() -> None:
    for file in FOLDER.rglob("kustomization.yaml"):
        content = yaml.safe_load(file.read_text())
        used = {*content.get("resources", []), *content.get("configurations", [])}
        used |= {patch["path"] for patch in content.get("patches", []) if "path" in patch}
        used |= {replacement["path"] for replacement in content.get("replacements", [])}
        beside = {path.name for path in file.parent.glob("*.yaml")} - {"kustomization.yaml"}
        assert beside <= used, file.parent
