"""What is looked for in an image: each thing that must not be there, and nothing else."""

import json
import os
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tocsin.dev.image.bill import ENVIRONMENT, bill_of_image, differences
from tocsin.dev.image.contents import faults
from tocsin.dev.requirement_files import pinned

ROOT = Path(__file__).parents[3]
NOBODY_HERE = 10001
DPKG = """\
Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9+deb12u10
Description: a library
 with: a colon

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1
"""


def write(file: Path, *, text: str = "x", mode: int = 0o644) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(mode)


def harmless(root: Path) -> None:
    write(root / "usr/bin/env", mode=0o755)
    write(root / "usr/share/python-wheels/pip-23.whl")
    write(root / "etc/ssl/certs/ca.crt", text="-----BEGIN CERTIFICATE-----\nMIIB\n")
    write(root / "opt/x/serialization.py", text='"-----BEGIN PRIVATE KEY-----"')
    (root / "tmp").mkdir(mode=0o1777)
    (root / "tmp").chmod(0o1777)
    (root / "run").symlink_to("/nowhere")


@pytest.mark.parametrize(
    ("path", "text", "mode", "said"),
    [
        ("usr/bin/su", "x", 0o4755, "/usr/bin/su makes whoever runs it another user or group."),
        ("usr/bin/wall", "x", 0o2755, "/usr/bin/wall makes whoever runs it another user or group."),
        ("opt/tocsin/open.py", "x", 0o666, "Anybody may write to /opt/tocsin/open.py."),
        ("usr/local/lib/python3.11/site-packages/pip/x.py", "x", 0o644, "/usr/local/lib/python3.11/site-packages/pip can install packages."),
        ("etc/pip.conf", "x", 0o600, "/etc/pip.conf has the name of a file with secrets."),
        ("opt/tocsin/key.pem", f"-----BEGIN RSA PRIVATE KEY-----\n{'A' * 64}\n", 0o600, "/opt/tocsin/key.pem holds a private key."),
    ],
)  # fmt: skip
def test_what_must_not_be_in_an_image_is_named(
    tmp_path: Path, path: str, text: str, mode: int, said: str
) -> None:
    harmless(tmp_path)
    assert faults(tmp_path, uid=NOBODY_HERE, env={"PATH": "/bin", "BUILD_COMMIT": "1"}) == []
    write(tmp_path / path, text=text, mode=mode)
    assert faults(tmp_path, uid=NOBODY_HERE, env={}) == [said]


def test_a_folder_that_anybody_may_write_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "srv").mkdir()
    (tmp_path / "srv").chmod(0o777)
    assert faults(tmp_path, uid=NOBODY_HERE, env={}) == ["Anybody may write to /srv."]


def test_what_belongs_to_the_services_user_is_named_but_for_its_own_folders(tmp_path: Path) -> None:
    for folder in ("var/lib/tocsin", "tmp/tocsin"):
        (tmp_path / folder).mkdir(parents=True)
    owned = {sentence.partition(" ")[0] for sentence in faults(tmp_path, uid=os.getuid(), env={})}
    assert owned == {"/var", "/var/lib", "/tmp"}


def test_a_secret_in_the_environment_is_named(tmp_path: Path) -> None:
    assert faults(tmp_path, uid=NOBODY_HERE, env={"API_KEY": "x"}) == [
        "The environment has API_KEY, which looks like a secret."
    ]


@pytest.fixture
def ingest(tmp_path: Path) -> Path:
    """A root folder in which all that ingest pins is installed."""
    here = [
        (entry.name, entry.version)
        for entry in pinned(ROOT / "requirements" / "ingest.txt")
        if entry.wanted_here
    ]
    for name, version in [*here, ("tocsin-common", "0.1.0"), ("tocsin-ingest", "0.1.0")]:
        put(tmp_path, name, version)
    write(tmp_path / "var/lib/dpkg/status", text=DPKG)
    return tmp_path


def put(root: Path, name: str, version: str) -> None:
    folder = root / ENVIRONMENT / f"{name.replace('-', '_')}-{version}.dist-info"
    write(folder / "METADATA", text=f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def test_what_is_installed_is_what_is_pinned(ingest: Path) -> None:
    assert differences("ingest", ingest) == []
    put(ingest, "stowaway", "1")
    assert differences("ingest", ingest) == ["stowaway is 1 in the image, and not there in ingest.txt."]


def test_what_is_missing_is_named(ingest: Path) -> None:
    (metadata,) = ingest.glob(f"{ENVIRONMENT}/tocsin_common-*/METADATA")
    metadata.unlink()
    metadata.parent.rmdir()
    assert differences("ingest", ingest) == ["tocsin-common is not in the image."]


def test_an_images_bill_names_python_and_debian_packages(ingest: Path) -> None:
    text = bill_of_image("ingest", ingest)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    parts = {part["name"]: part["purl"] for part in json.loads(text)["components"]}
    assert parts["libc6"] == "pkg:deb/debian/libc6@2.36-9%2Bdeb12u10?arch=amd64&distro=debian-12"
    assert parts["tocsin-ingest"] == "pkg:pypi/tocsin-ingest@0.1.0"
    assert "gone" not in parts
    assert len(parts) > 20
