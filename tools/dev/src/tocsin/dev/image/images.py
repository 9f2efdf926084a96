"""Building a service's image from deploy/Dockerfile, and what the image says of how it is run."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tocsin.dev.image.buildah import Buildah
from tocsin.dev.paths import PROJECT

SERVICES = tuple(sorted(path.parent.name for path in PROJECT.glob("services/*/pyproject.toml")))
_DOCKERFILE = PROJECT / "deploy" / "Dockerfile"
_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
"""Whom this machine trusts: a company's network may have its own. Seen while building, and not part of the image."""


class Image(NamedTuple):
    """One image of the storage: what it was built from, its user as `uid:gid`, its environment, and the words that it starts."""

    service: str
    name: str
    commit: str
    user: str
    env: Mapping[str, str]
    entrypoint: tuple[str, ...]

    @property
    def uid(self) -> int:
        """The user's number."""
        return int(self.user.partition(":")[0])


def _commit() -> str:
    """The commit that this working tree is made from."""
    command = ["git", "-C", str(PROJECT), "rev-parse", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def build(buildah: Buildah, service: str) -> Image:
    """Builds it from the working tree, without a cache, over the base that the storage holds."""
    name, commit = f"localhost/tocsin/{service}", _commit()
    # Docker's format, because the other one has no SHELL.
    options = ["--pull-never", "--format", "docker", "--tag", name, "--file", str(_DOCKERFILE)]
    options += ["--ignorefile", str(_DOCKERFILE.with_name("Dockerfile.dockerignore"))]
    options += ["--build-arg", f"SERVICE={service}", "--build-arg", f"COMMIT={commit}"]
    if _AUTHORITIES.exists():
        options += ["--volume", f"{_AUTHORITIES}:{_AUTHORITIES}:ro"]
    buildah("build", *options, str(PROJECT))
    config = json.loads(buildah("inspect", "--type", "image", name))["OCIv1"]["config"]
    env = dict(entry.split("=", 1) for entry in config["Env"])
    return Image(service, name, commit, config["User"], env, tuple(config["Entrypoint"]))


def save(buildah: Buildah, image: Image, *, version: str, into: Path) -> str:
    """Writes the image as an archive (OCI), which podman, skopeo and Docker 25 read; its digest."""
    digest = into / f"{image.service}.digest"
    target = f"oci-archive:{into / image.service}.tar:tocsin/{image.service}:{version}"
    buildah("push", "--digestfile", str(digest), image.name, target)
    text = digest.read_text().strip()
    digest.unlink()
    return text
