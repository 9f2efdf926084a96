"""Definitions of kinds that are not Kubernetes' own: the Gateway API's, KEDA's, the Prometheus Operator's, External Secrets'."""

import subprocess
from pathlib import Path

from tocsin.dev.errors import StartFailed
from tocsin.dev.kube import go_programs
from tocsin.dev.locks import locked
from tocsin.dev.paths import CACHE

_DOWNLOADED = (
    ("sigs.k8s.io/gateway-api", "config/crd/standard", ("gatewayclasses", "gateways", "httproutes")),
    ("github.com/kedacore/keda/v2", "config/crd/bases", ("scaledobjects", "triggerauthentications")),
    ("github.com/external-secrets/external-secrets", "config/crds/bases", ("externalsecrets",)),
)
"""Module → its folder of definitions → the kinds that our manifests use, and what these refer to."""
_GENERATED = ("podmonitors", "prometheusrules")


def definitions() -> list[Path]:
    """The files, which `kubectl apply` takes."""
    return [*_downloaded(), *_generated()]


def _downloaded() -> list[Path]:
    files: list[Path] = []
    for module, folder, kinds in _DOWNLOADED:
        place = go_programs.downloaded(go_programs.MODULES / "definitions", module) / folder
        for kind in kinds:
            (file,) = place.glob(f"*_{kind}.yaml")
            files.append(file)
    return files


def _generated() -> list[Path]:
    """The Prometheus Operator's module has types alone: controller-gen writes their definitions, once."""
    module = go_programs.MODULES / "monitoring"
    folder = CACHE / f"monitoring-{go_programs.digest(module)}" / "definitions"
    files = [folder / f"monitoring.coreos.com_{kind}.yaml" for kind in _GENERATED]
    with locked(folder.with_suffix(".lock")):
        if not folder.exists():
            fresh = folder.with_suffix(".fresh")
            _generate(module, fresh)
            fresh.rename(folder)
    return files


def _generate(module: Path, folder: Path) -> None:
    types = "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
    ended = subprocess.run(
        [go_programs.controller_gen(), "crd", f"paths={types}", f"output:dir={folder}"],
        cwd=module,
        env=go_programs.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode != 0:
        raise StartFailed(
            f"The Prometheus Operator's definitions could not be written: {ended.stderr.strip()}"
        )
