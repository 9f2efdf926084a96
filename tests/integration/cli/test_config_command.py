"""`tocsin config check` as a person runs it: what it prints, and how it ends."""

import json
from pathlib import Path

import pytest
import yaml
from tests.rendered_manifests import manifests

from tocsin.contracts.vocabulary import Channel

from .conftest import Run

ROUTER = {
    "KAFKA_BOOTSTRAP_SERVERS": "kafka:9092",
    "DATABASE_URL": "postgresql://router:s3cret@db/tocsin",
    "ROUTER_HASH_KEYS": "1:s3cret-s3cret-s3cret-s3cret-s3cret",
}


def test_good_settings_end_with_0(tocsin: Run) -> None:
    ran = tocsin("config", "check", "router", **ROUTER)
    assert (ran.code, ran.out) == (0, "Nothing is wrong. Looked at: router.\n")


def test_what_is_unwise_ends_with_1_and_is_json_too(tocsin: Run) -> None:
    ran = tocsin("config", "check", "router", "--json", **ROUTER, DATABASE_POOL_SIZE="1", ROUTER_SLOT="2")
    assert ran.code == 1
    assert "s3cret" not in ran.out + ran.err
    assert [
        (finding["level"], finding["where"], finding["what"].partition(" ")[0]) for finding in ran.json
    ] == [
        ("warning", ["router"], "ROUTER_SLOT"),
        ("warning", ["router"], "DATABASE_POOL_SIZE"),
    ]
    assert ran.json[0]["remedy"] == "did you mean ROUTER_SHARDS?"


def test_a_file_of_variables_is_read_for_all_and_nothing_of_the_environment(
    tocsin: Run, tmp_path: Path
) -> None:
    file = tmp_path / "all.env"
    file.write_text("KAFKA_BOOTSTRAP_SERVER=kafka:9092\nDATABASE_URL=postgresql://a:s3cret@db/tocsin\n")
    ran = tocsin("config", "check", "--env-file", str(file), KAFKA_BOOTSTRAP_SERVERS="kafka:9092")
    assert ran.code == 2
    assert "s3cret" not in ran.out + ran.err
    dispatchers = ", ".join(channel.dispatcher for channel in Channel)
    everyone = f"ingest, router, scheduler, {dispatchers}, ledger, ledger-witness"
    assert ran.out.startswith(f"error\t{everyone}\tKAFKA_BOOTSTRAP_SERVERS is not set;")
    assert f"warning\t{everyone}\tKAFKA_BOOTSTRAP_SERVER is no setting" in ran.out
    assert "did you mean KAFKA_BOOTSTRAP_SERVERS?" in ran.out


def test_manifests_are_read_as_kustomize_prints_them(tocsin: Run, tmp_path: Path) -> None:
    file = tmp_path / "prod.yaml"
    objects = manifests("prod").objects
    file.write_text(yaml.safe_dump_all(objects))
    ran = tocsin("config", "check", "--manifests", str(file))
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("Nothing is wrong. Looked at: Deployment dispatch-chat, ")

    (shared,) = (
        thing
        for thing in objects
        if thing["metadata"]["name"].startswith("tocsin-") and thing["kind"] == "ConfigMap"
    )
    file.write_text(json.dumps({"kind": "List", "items": [shared]}))
    assert tocsin("config", "check", "--manifests", str(file)).err.startswith(
        "The manifests hold no Deployment"
    )
    ran = tocsin("config", "check", "ledger-witness", "--manifests", str(file))
    assert ran.code == 2
    assert "KAFKA_SASL_PASSWORD_FILE names a file that cannot be read" in ran.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("rooter",), "No such service: rooter. There are: ingest, router,"),
        (("--manifests", "/nowhere"), "No such file or directory"),
        (("--manifests", "-"), "There is no manifest in it."),
    ],
)
def test_what_cannot_be_looked_at_is_a_sentence(tocsin: Run, arguments: tuple[str, ...], words: str) -> None:
    ran = tocsin("config", "check", *arguments)
    assert ran.code == 2
    assert words in ran.err
