"""`python -m tocsin.dev.sbom`: a bill of materials (CycloneDX, JSON) for each file of requirements, in `build/sbom/`."""

import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Final

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.utils import canonicalize_name

from tocsin.dev.requirement_files import Pinned, pinned

INTO: Final = Path("build/sbom")
_LICENSES: Final = LicenseFactory()


def bill_of(path: Path) -> str:
    """What is installed with this file: name, version, archives' hashes, and the licence where this machine has it installed."""
    return document(path.stem, [component(entry) for entry in pinned(path)])


def document(name: str, components: Iterable[Component]) -> str:
    """The bill of `tocsin-<name>`, which is made of these."""
    bom = Bom()
    root = Component(name=f"tocsin-{name}", type=ComponentType.APPLICATION, bom_ref=name)
    bom.metadata.component = root
    for part in components:
        bom.components.add(part)
    bom.register_dependency(root, bom.components)
    text: str = JsonV1Dot6(bom).output_as_string(indent=2)
    return text


def component(entry: Pinned) -> Component:
    """A distribution as it is pinned, with the hash of each archive that may be installed."""
    name = canonicalize_name(entry.name)
    url = PackageURL(type="pypi", name=name, version=entry.version)
    archives = ExternalReference(
        type=ExternalReferenceType.DISTRIBUTION,
        url=XsUri(url.to_string()),
        comment="one hash for each archive that may be installed",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=content) for content in entry.hashes],
    )
    expression = _expression(entry)
    return Component(
        type=ComponentType.LIBRARY,
        name=entry.name,
        version=entry.version,
        purl=url,
        bom_ref=url.to_string(),
        external_references=[archives],
        licenses=[_LICENSES.make_from_string(expression)] if expression else [],
    )


def _expression(entry: Pinned) -> str | None:
    """The SPDX expression that the distribution itself names; none where it is not installed here, or says it in words."""
    try:
        described = metadata.metadata(entry.name)
    except metadata.PackageNotFoundError:
        return None
    return next(iter(described.get_all("License-Expression") or []), None)


def main() -> int:
    """Write one bill for each file of requirements."""
    INTO.mkdir(parents=True, exist_ok=True)
    for path in sorted(Path("requirements").glob("*.txt")):
        (INTO / f"{path.stem}.cdx.json").write_text(bill_of(path) + "\n")
        sys.stdout.write(f"{INTO / path.stem}.cdx.json\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
