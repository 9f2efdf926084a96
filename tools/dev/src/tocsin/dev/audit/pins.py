"""Everything that is pinned by an exact version: what services and tools are made of, and what `make` builds or fetches besides."""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

from packaging.utils import canonicalize_name

from tocsin.dev.kafka_jars import POM
from tocsin.dev.kube.go_programs import MODULES
from tocsin.dev.requirement_files import pinned

ARCHIVE = Path("deploy/examples/archive/requirements.txt")
PYTHON = (*(Path("requirements") / f"{name}.txt" for name in ("dev", "uv", "hatchling", "go")), ARCHIVE)
"""`dev` holds everything that any service or tool pins; the others are what the environment is made with, what `make kube-check` builds with, and an
example that people install."""
NPM = (
    Path(__file__).parents[1] / "observe" / "uplot" / "package-lock.json",
    Path("components/inbox/bundling/package-lock.json"),
    *sorted(Path("tests/unit").glob("*/*/package-lock.json")),
    *sorted(Path("tests/integration").glob("*/*/package-lock.json")),
)
"""What draws the page of `make observe`, what bundles <tocsin-inbox>, and the judges of tests."""
GO = (*sorted(MODULES.glob("*/go.mod")), Path(__file__).parents[1] / "observe" / "jaeger_module" / "go.mod")
"""What `make kube-check` builds, and Jaeger."""
MAVEN = (
    POM,
    Path("faults/mirror/pom.xml"),
    Path("tests/e2e/acls/pom.xml"),
    Path("tests/integration/dispatch_push/pushy/pom.xml"),
    Path("tests/integration/logs/pom.xml"),
)
"""The local broker, its mirror, and of tests: Kafka's own commands, the judge of APNs, the search engine. What their jars need in turn is in no file of ours, so it is not looked up."""

_POM = "{http://maven.apache.org/POM/4.0.0}"
_REQUIRED = re.compile(r"^(?:require )?\t?(\S+) (v\S+)(?: // indirect)?$", re.MULTILINE)
_REPLACED = re.compile(r"^(?:replace )?\t?(\S+) => (\S+) (v\S+)$", re.MULTILINE)


class Pin(NamedTuple):
    """One distribution in one version. `ecosystem` is spelt as databases do: PyPI, npm, Go, Maven."""

    ecosystem: str
    name: str
    version: str


def all_pins() -> set[Pin]:
    """Those of all files above."""
    python = {
        Pin("PyPI", canonicalize_name(entry.name), entry.version) for path in PYTHON for entry in pinned(path)
    }
    return python | npm_pins(NPM) | go_pins(GO) | maven_pins(MAVEN)


def npm_pins(locks: Iterable[Path]) -> set[Pin]:
    """The packages of lock files."""
    packages = [entry for lock in locks for entry in json.loads(lock.read_text())["packages"].items()]
    return {
        Pin("npm", path.rpartition("node_modules/")[2], entry["version"]) for path, entry in packages if path
    }


def go_pins(modules: Iterable[Path]) -> set[Pin]:
    """The modules that go.mod files require, in the versions that take their place. Databases leave out the `v`."""
    pins: set[Pin] = set()
    for module in modules:
        text = module.read_text()
        replaced = {name: (other, version) for name, other, version in _REPLACED.findall(text)}
        required = (replaced.get(name, (name, version)) for name, version in _REQUIRED.findall(text))
        pins |= {Pin("Go", name, version.removeprefix("v")) for name, version in required}
    return pins


def maven_pins(poms: Iterable[Path]) -> set[Pin]:
    """The dependencies that pom files name."""
    entries = [entry for pom in poms for entry in ET.fromstring(pom.read_text()).iter(f"{_POM}dependency")]  # noqa: S314 -- a file of ours
    texts = [
        [entry.findtext(f"{_POM}{key}", "") for key in ("groupId", "artifactId", "version")]
        for entry in entries
    ]
    return {Pin("Maven", f"{group}:{artifact}", version) for group, artifact, version in texts}
