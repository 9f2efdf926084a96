"""Components that no shipped overlay lists: what each takes away or adds, and nothing else."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.rendered_manifests import NAME, OVERLAYS, Manifests, Object, container, labels, manifests, title

from tocsin.cli.config.across import across
from tocsin.cli.config.manifests import read_manifests
from tocsin.cli.config.workloads import checked_workloads
from tocsin.dev.kube.rendering import FOLDER, UNLISTED, with_components


@pytest.fixture(params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> Manifests:
    return manifests(request.param)


def with_added(overlay: Manifests, folder: Path, *names: str) -> list[Object]:
    return with_components(overlay.overlay, *names, folder=folder / "added")


def by_title(objects: list[Object]) -> dict[str, Object]:
    return {title(thing): thing for thing in objects}


def test_every_component_is_in_an_overlay_or_is_added_here() -> None:
    listed = {
        Path(name).name
        for overlay in OVERLAYS
        for name in yaml.safe_load((FOLDER / "overlays" / overlay / "kustomization.yaml").read_text())[
            "components"
        ]
    }
    there = {file.parent.name for file in (FOLDER / "components").glob("*/kustomization.yaml")}
    assert there == (listed - {"config"}) | set(UNLISTED)


@pytest.mark.parametrize("channel", ["sms", "push", "chat", "inapp"])
def test_a_channel_is_left_out_with_all_it_has_and_nothing_else_changes(
    channel: str, overlay: Manifests, tmp_path: Path
) -> None:
    before = by_title(overlay.objects)
    after = by_title(with_added(overlay, tmp_path, f"without-{channel}"))
    assert after == {
        name: thing for name, thing in before.items() if f"dispatch-{channel}" not in name.split()[1]
    }
    assert len(after) < len(before)


def test_receipts_are_left_out_with_all_they_have_and_nothing_else_changes(
    overlay: Manifests, tmp_path: Path
) -> None:
    before = by_title(overlay.objects)
    after = by_title(with_added(overlay, tmp_path, "without-receipts"))
    left = {name: thing for name, thing in before.items() if "-callbacks" not in name}
    assert after == left
    assert len(after) < len(before)


def test_settings_are_right_without_three_channels(overlay: Manifests, tmp_path: Path) -> None:
    given = read_manifests(yaml.safe_dump_all(with_added(overlay, tmp_path, *UNLISTED)))
    workloads = checked_workloads(given, names=(), without_secrets=True)
    assert len(workloads) == len(given.workloads)
    assert [finding for workload in workloads for finding in workload.findings] == []
    assert list(across(given, workloads)) == []


def test_commands_by_hand_run_as_the_job_of_topics_runs(overlay: Manifests, tmp_path: Path) -> None:
    before = by_title(overlay.objects)
    after = by_title(with_added(overlay, tmp_path, "by-hand"))
    by_hand = after.pop("ReplicaSet by-hand")
    assert after == before
    assert by_hand["spec"]["replicas"] == 0
    job = next(thing for thing in overlay.of_kind("Job") if labels(thing)[NAME] == "topics")
    assert labels(by_hand)[NAME] == labels(job)[NAME]
    selected = by_hand["spec"]["selector"]["matchLabels"]
    assert selected.items() <= labels(by_hand).items()
    assert not any(selected.items() <= labels(workload).items() for workload in overlay.workloads)
    mine, its = pod_without_container(by_hand), pod_without_container(job)
    assert {**mine, "restartPolicy": "OnFailure"} == {**its, "terminationGracePeriodSeconds": 1}
    changed = {"name": "by-hand", "command": ["sleep", "infinity"]}
    expected = {**container(job), **changed}
    expected.pop("terminationMessagePolicy")
    assert container(by_hand) == expected


def pod_without_container(workload: Object) -> dict[str, Any]:
    return {
        name: value for name, value in workload["spec"]["template"]["spec"].items() if name != "containers"
    }
