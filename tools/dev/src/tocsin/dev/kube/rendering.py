"""The manifests as `kubectl apply -k` would send them."""

import os
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tocsin.dev.errors import StartFailed
from tocsin.dev.kube.go_programs import kustomize
from tocsin.dev.paths import PROJECT

FOLDER = PROJECT / "deploy" / "k8s"
OVERLAYS = ("dev", "prod", "staging")
"""Those that come with Tocsin; somebody's own may lie beside them."""
UNLISTED = ("without-sms", "without-push", "without-chat", "without-inapp", "without-receipts", "by-hand")
"""Components that none of them has."""


def render(overlay: str) -> list[dict[str, Any]]:
    """All objects of an overlay. Raises StartFailed with kustomize's words."""
    return rendered(FOLDER / "overlays" / overlay)


def with_setting(overlay: str, setting: str, *, folder: Path) -> list[dict[str, Any]]:
    """The overlay after somebody has changed a setting of all services, as `NAME=value`; `folder` is made for it."""
    changed = {"behavior": "merge", "literals": [setting]}
    kustomization = {
        "namespace": f"tocsin-{overlay}",
        "resources": [os.path.relpath(FOLDER / "overlays" / overlay, folder.resolve())],
        "configMapGenerator": [
            {"name": "tocsin", **changed},
            {"name": "setup", **changed, "options": {"disableNameSuffixHash": True}},
        ],
    }
    folder.mkdir()
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return rendered(folder)


def with_components(overlay: str, *components: str, folder: Path) -> list[dict[str, Any]]:
    """The overlay after somebody has added components to its list, before the last one, `labels`; `folder` is made for it."""
    home = FOLDER / "overlays" / overlay
    kustomization = yaml.safe_load((home / "kustomization.yaml").read_text())
    kustomization["components"][-1:-1] = [f"../../components/{name}" for name in components]
    for key in ("resources", "components"):
        kustomization[key] = [os.path.relpath(home / path, folder.resolve()) for path in kustomization[key]]
    folder.mkdir()
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return rendered(folder)


def rendered(folder: Path) -> list[dict[str, Any]]:
    """All objects of the kustomization in `folder`."""
    ended = subprocess.run([kustomize(), "build", folder], capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise StartFailed(f"{folder} cannot be rendered: {ended.stderr.strip()}")
    return list(yaml.safe_load_all(ended.stdout))
