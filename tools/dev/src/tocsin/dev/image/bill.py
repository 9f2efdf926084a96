"""What an image is made of: its bill of materials, and whether that is what is pinned."""

from importlib.metadata import distributions
from pathlib import Path

from cyclonedx.model.component import Component, ComponentType
from packageurl import PackageURL
from packaging.utils import NormalizedName, canonicalize_name

from tocsin.dev.paths import PROJECT
from tocsin.dev.requirement_files import pinned
from tocsin.dev.sbom import component, document

ENVIRONMENT = "opt/tocsin/lib/python3.11/site-packages"


def bill_of_image(service: str, root: Path) -> str:
    """CycloneDX, JSON: the Debian packages and Python distributions of the image at `root`."""
    entries = {canonicalize_name(entry.name): component(entry) for entry in pinned(_pins(service))}
    python = [entries.get(name) or _own(name, version) for name, version in installed(root).items()]
    return document(f"image-{service}", [*python, *_debian_packages(root)])


def differences(service: str, root: Path) -> list[str]:
    """A sentence for each distribution that is installed and not pinned, or the other way round, or in another version."""
    ours = {"tocsin-common", f"tocsin-{service}", *(["tocsin-cli"] if service == "router" else [])}
    wanted = {
        canonicalize_name(entry.name): entry.version for entry in pinned(_pins(service)) if entry.wanted_here
    }
    here = {name: version for name, version in installed(root).items() if name not in ours}
    return [
        f"{name} is {here.get(name, 'not there')} in the image, and {wanted.get(name, 'not there')} in {_pins(service).name}."
        for name in sorted(here.keys() | wanted.keys())
        if here.get(name) != wanted.get(name)
    ] + [f"{name} is not in the image." for name in sorted(ours - installed(root).keys())]


def installed(root: Path) -> dict[NormalizedName, str]:
    """Name → version of each Python distribution of the services' environment."""
    found = distributions(path=[str(root / ENVIRONMENT)])
    return {canonicalize_name(entry.metadata["Name"]): entry.version for entry in found}


def _pins(service: str) -> Path:
    return PROJECT / "requirements" / f"{service}.txt"


def _own(name: str, version: str) -> Component:
    return _named(PackageURL(type="pypi", name=name, version=version))


def _named(url: PackageURL) -> Component:
    return Component(
        type=ComponentType.LIBRARY, name=url.name, version=url.version, purl=url, bom_ref=url.to_string()
    )


def _debian_packages(root: Path) -> list[Component]:
    components: list[Component] = []
    for stanza in (root / "var/lib/dpkg/status").read_text().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line and line[0] != " ")
        if fields.get("Status") != "install ok installed":
            continue
        name, version = fields["Package"], fields["Version"]
        machine = {"arch": fields["Architecture"], "distro": "debian-12"}
        url = PackageURL(type="deb", namespace="debian", name=name, version=version, qualifiers=machine)
        components.append(_named(url))
    return components
