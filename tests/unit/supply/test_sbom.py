"""Each bill of materials is valid CycloneDX and holds exactly what is pinned."""

import json
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tocsin.dev.requirement_files import pinned
from tocsin.dev.sbom import bill_of

FILES = sorted((Path(__file__).parents[3] / "requirements").glob("*.txt"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_bill_is_valid_and_whole(path: Path) -> None:
    text = bill_of(path)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bill = json.loads(text)
    entries = {entry.name: entry for entry in pinned(path)}
    assert {part["name"]: part["version"] for part in bill["components"]} == {
        name: entry.version for name, entry in entries.items()
    }
    for part in bill["components"]:
        (archives,) = part["externalReferences"]
        assert {hashed["content"] for hashed in archives["hashes"]} == set(entries[part["name"]].hashes)
    assert bill["metadata"]["component"]["name"] == f"tocsin-{path.stem}"


def test_licences_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    (path,) = (path for path in FILES if path.stem == "router")
    parts = {part["name"]: part for part in json.loads(bill_of(path))["components"]}
    assert parts["pydantic"]["licenses"] == [{"license": {"id": "MIT"}}]
