"""The files `requirements/*.txt`: which distributions, in which version, with which hashes."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement


class Pinned(NamedTuple):
    """One distribution of a file: its exact version and the SHA-256 of each archive that may be installed."""

    requirement: Requirement
    version: str
    hashes: tuple[str, ...]

    @property
    def name(self) -> str:
        """As the file spells it."""
        return self.requirement.name

    @property
    def wanted_here(self) -> bool:
        """Whether its markers ask for it on this machine."""
        return self.requirement.marker is None or self.requirement.marker.evaluate()


def pinned(path: Path) -> Iterator[Pinned]:
    """The distributions of one file. Raises ValueError for one without an exact version or without hashes."""
    text = path.read_text().replace("\\\n", " ")
    for line in text.splitlines():
        words = line.partition("#")[0].split(" --hash=sha256:")
        if not words[0].strip():
            continue
        requirement = Requirement(words[0].strip())
        versions = [specifier.version for specifier in requirement.specifier if specifier.operator == "=="]
        if len(versions) != 1 or len(words) < 2:
            raise ValueError(
                f"{path.name}: {requirement.name} is not pinned with its hashes; run `make lock`."
            )
        yield Pinned(requirement, versions[0], tuple(word.strip() for word in words[1:]))
