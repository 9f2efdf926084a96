"""The generated documents are fresh, and valid by the validators of their own projects."""

import json
import subprocess
from pathlib import Path

import jsonschema
import pytest
from openapi_spec_validator import validate

from tocsin.contracts.topics import Topics
from tocsin.dev.npm_packages import installed
from tocsin.specifications import documents
from tocsin.specifications.schemas import RECORDS

ROOT = Path(__file__).parents[2]
DOCUMENTS = ROOT / "docs" / "contracts"
GOLDEN = Path(__file__).parent / "golden" / "v1"
CHECK = Path(__file__).parent / "asyncapi"


@pytest.fixture(scope="module")
def fresh() -> dict[str, str]:
    return documents()


def test_the_committed_documents_are_what_the_code_says(fresh):
    committed = {str(path.relative_to(DOCUMENTS)): path.read_text() for path in DOCUMENTS.rglob("*.json")}
    assert committed == fresh, "run `make contracts` and commit the result"


def test_json_schemas_are_valid_and_accept_every_golden_message(fresh):
    for path, text in fresh.items():
        if path.startswith("schemas/"):
            jsonschema.Draft202012Validator.check_schema(json.loads(text))
    for path in GOLDEN.glob("*.json"):
        name = path.stem.split("_")[0]
        name = {
            "continuation": "intent",
            "redrive": "intent",
            "notification": "notification-request",
            "decision": "status",
        }.get(name, name)
        if name != "event":
            jsonschema.validate(json.loads(path.read_text()), json.loads(fresh[f"schemas/{name}.v1.json"]))


def test_a_topics_record_is_the_one_that_its_schema_describes():
    named = {
        "intents": "intent",
        "jobs": "job",
        "timers": "timer",
        "status": "status",
        "directory": "directory",
        "cancels": "cancellation",
        "inbox": "box-moved",
    }
    described = {named[topic.family]: topic.record for topic in Topics().all() if topic.family in named}
    assert described == {name: RECORDS[name] for name in named.values()}


def test_openapi_documents_are_valid(fresh):
    for path, text in fresh.items():
        if path.startswith("openapi"):
            validate(json.loads(text))


def test_the_asyncapi_document_has_every_topic_with_its_writers_and_readers(fresh):
    document = json.loads(fresh["asyncapi.json"])
    assert {channel["address"] for channel in document["channels"].values()} == {
        t.name for t in Topics().all()
    }
    for topic in Topics().all():
        short = topic.name.removeprefix("tocsin.")
        for writer in topic.writers:
            assert f"{writer}.writes.{short}" in document["operations"]
        for reader in topic.readers:
            assert f"{reader}.reads.{short}" in document["operations"]


@pytest.mark.npm
def test_the_asyncapi_document_is_valid_by_its_own_parser():
    outcome = subprocess.run(
        ["node", installed(CHECK) / "validate.mjs", DOCUMENTS / "asyncapi.json"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr
