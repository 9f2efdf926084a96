"""The version of a release, in each place where it stands. All of them say the same."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

_NUMBER: Final = r"\d+\.\d+\.\d+"
_PACKAGE: Final = re.compile(rf'(?m)^(version = ")({_NUMBER})(?="$)')
_IMAGE: Final = re.compile(rf"(\btocsin/[$a-z-]+:)({_NUMBER})\b")
_LABEL: Final = re.compile(rf"(app\.kubernetes\.io/version: )({_NUMBER})\b")
_JOBS: Final = re.compile(r"(nameSuffix: -)(\d+-\d+-\d+)\b")
PLACES: Final = (
    ("libs/*/pyproject.toml", _PACKAGE),
    ("services/*/pyproject.toml", _PACKAGE),
    ("tools/*/pyproject.toml", _PACKAGE),
    ("deploy/**/*", _IMAGE),
    ("docs/**/*.md", _IMAGE),
    ("deploy/k8s/components/labels/kustomization.yaml", _LABEL),
    ("deploy/k8s/base/setup/kustomization.yaml", _JOBS),
)
"""Files, and how a version stands in them: what comes before it, and itself."""
VERSION: Final = re.compile(rf"{_NUMBER}")


class VersionPlace(NamedTuple):
    """One place of a version in the tree."""

    path: Path
    version: str


def places(root: Path) -> Iterator[VersionPlace]:
    """Every place, file by file."""
    for path, pattern in _files(root):
        for match in pattern.finditer(path.read_text()):
            yield VersionPlace(path.relative_to(root), match[2].replace("-", "."))


def current(root: Path) -> str:
    """The one version that all places say. Raises ValueError where they differ."""
    versions = {place.version for place in places(root)}
    if len(versions) != 1:
        raise ValueError(f"The tree says several versions: {', '.join(sorted(versions))}.")
    return versions.pop()


def put(root: Path, version: str) -> None:
    """Writes `version` into every place."""
    for path, pattern in _files(root):
        path.write_text(
            pattern.sub(lambda match: match[1] + _spelt(version, like=match[2]), path.read_text())
        )


def numbers(version: str) -> tuple[int, ...]:
    """To compare by; raises ValueError for what is no version of ours."""
    if VERSION.fullmatch(version) is None:
        raise ValueError(f"{version} is no version: write three numbers, such as 0.2.0.")
    return tuple(map(int, version.split(".")))


def _spelt(version: str, *, like: str) -> str:
    return version.replace(".", "-") if "-" in like else version


def _files(root: Path) -> Iterator[tuple[Path, re.Pattern[str]]]:
    for glob, pattern in PLACES:
        for path in sorted(root.glob(glob)):
            if path.is_file():
                yield path, pattern
