"""`tocsin config check` of an environment: faults, misspelt names, values that do harm. No secret is ever told."""

import os
from pathlib import Path

import pytest

from tocsin.cli.config.environment import ConfigFinding, check, merged, only, read_env_file
from tocsin.cli.config.processes import NotInstalled, process_of, settings_of

ROUTER = {
    "KAFKA_BOOTSTRAP_SERVERS": "kafka:9092",
    "DATABASE_URL": "postgresql://router:s3cret@db/tocsin",
    "ROUTER_HASH_KEYS": "1:s3cret-s3cret-s3cret-s3cret-s3cret",
}


def told(process: str, variables: dict[str, str]) -> list[tuple[str, str]]:
    findings = check(process, variables).findings
    assert "s3cret" not in str(findings)
    return [(finding.level, finding.what) for finding in findings]


def test_a_misspelt_name_is_told_beside_what_is_missing_for_it() -> None:
    given = {name: value for name, value in ROUTER.items() if name != "KAFKA_BOOTSTRAP_SERVERS"}
    findings = check("router", given | {"KAFKA_BOOTSTRAP_SERVER": "k:1", "ROUTER_SLOT": "2"}).findings
    assert [(finding.level, finding.what.partition(" ")[0], finding.remedy) for finding in findings] == [
        ("error", "KAFKA_BOOTSTRAP_SERVERS", "the service does not start with it"),
        ("warning", "KAFKA_BOOTSTRAP_SERVER", "did you mean KAFKA_BOOTSTRAP_SERVERS?"),
        ("warning", "ROUTER_SLOT", "did you mean ROUTER_SHARDS?"),
    ]


@pytest.mark.parametrize(
    ("name", "value", "level"),
    [
        ("DATABASE_POOL_SIZE", "1", "warning"),
        ("SHUTDOWN_TIMEOUT", "1", "error"),
        ("SHUTDOWN_TIMEOUT", "40", "error"),
        ("SHUTDOWN_TIMEOUT", "41", None),
        ("DATABASE_URL", "s3cret", "error"),
        ("DATABASE_PASSWORD", "s3cret", "error"),
        ("ROUTER_HASH_KEYS", "s3cret", "error"),
        ("ROUTER_HASH_KEYS_FILE", "/run/s3cret", "error"),
        ("ROUTER_HASH_KEYS", "1:replace-me-with-32-random-characters-or-more", "error"),
    ],
)
def test_a_value_is_refused_or_warned_of(name: str, value: str, level: str | None) -> None:
    assert [finding[0] for finding in told("router", ROUTER | {name: value})] == ([level] if level else [])


def test_what_does_harm_is_told_beside_what_is_refused() -> None:
    """Else each round of mending brings the next answer."""
    given = {name: value for name, value in ROUTER.items() if name != "KAFKA_BOOTSTRAP_SERVERS"}
    links = {
        "PUBLIC_URL": "http://notify.example.com",
        "ROUTER_UNSUBSCRIBE_KEYS": ROUTER["ROUTER_HASH_KEYS"],
    }
    findings = told("router", given | links | {"DATABASE_POOL_SIZE": "1"})
    assert sorted((level, what.partition(" ")[0]) for level, what in findings) == [
        ("error", "KAFKA_BOOTSTRAP_SERVERS"),
        ("warning", "DATABASE_POOL_SIZE"),
        ("warning", "PUBLIC_URL"),
    ]


def test_secrets_are_read_from_files(tmp_path: Path) -> None:
    (tmp_path / "url").write_text(ROUTER["DATABASE_URL"] + "\n")
    (tmp_path / "password").write_text("s3cret\n")
    given = {name: value for name, value in ROUTER.items() if name != "DATABASE_URL"}
    assert told("router", given | {"DATABASE_URL_FILE": str(tmp_path / "url")}) == []
    apart = {
        "DATABASE_URL": "postgresql://router@db/tocsin",
        "DATABASE_PASSWORD_FILE": str(tmp_path / "password"),
    }
    checked = check("router", given | apart)
    assert checked.findings == []
    assert checked.settings is not None
    assert checked.settings.database.sqlalchemy_url.password == "s3cret"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("timeout", "lanes", "unwise"),
    [("9", "critical,bulk", True), ("9", "bulk", False), ("7", "critical,bulk", False)],
)
def test_a_call_that_the_critical_lane_cuts(timeout: str, lanes: str, unwise: bool, tmp_path: Path) -> None:
    file = tmp_path / "providers.toml"
    file.write_text(
        f'[[providers]]\nname = "a"\nkind = "smtp"\nhost = "h"\nhelo = "o"\ncall_timeout = {timeout}\n'
    )
    given = {"KAFKA_BOOTSTRAP_SERVERS": "k:1", "DISPATCH_EMAIL_PROVIDERS_FILE": str(file), "LANES": lanes}
    findings = told("dispatch-email", given)
    assert [level for level, _ in findings] == ["warning"] * unwise
    assert all("gives a a `call_timeout` of 9 s" in what for _, what in findings)


@pytest.mark.parametrize(
    ("retry", "variables"),
    [
        ({"FIRST": "1000"}, ["FIRST", "FIRST"]),
        ({"FIRST": "700"}, ["FIRST"]),
        ({"FIRST": "700", "LANES": "bulk"}, []),
        ({"ATTEMPTS": "1"}, ["ATTEMPTS"]),
        ({"AGE": "10"}, ["AGE"]),
    ],
)
def test_pauses_against_each_other_and_against_a_messages_life(
    retry: dict[str, str], variables: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "providers.toml"
    file.write_text('[[providers]]\nname = "a"\nkind = "smtp"\nhost = "h"\nhelo = "o"\n')
    given = {
        name if name == "LANES" else f"DISPATCH_EMAIL_RETRY_{name}": value for name, value in retry.items()
    }
    needed = {"KAFKA_BOOTSTRAP_SERVERS": "k:1", "DISPATCH_EMAIL_PROVIDERS_FILE": str(file)}
    findings = told("dispatch-email", needed | given)
    assert [what.partition(" ")[0] for _, what in findings] == [
        f"DISPATCH_EMAIL_RETRY_{name}" for name in variables
    ]


def test_what_several_have_alike_is_told_once_and_errors_first() -> None:
    one = ConfigFinding(level="warning", where=("a",), what="w", remedy="r")
    two = ConfigFinding(level="error", where=("b",), what="e", remedy="r")
    three = ConfigFinding(level="warning", where=("c",), what="w", remedy="r")
    assert [(finding.what, finding.where) for finding in merged([one, two, three])] == [
        ("e", ("b",)),
        ("w", ("a", "c")),
    ]


def test_a_file_of_variables(tmp_path: Path) -> None:
    file = tmp_path / "of.env"
    file.write_text("# all\n\nA=1\nexport B = two words \nC='quoted # no comment'\nD=a=b\nE=\n")
    expected = {"A": "1", "B": "two words", "C": "quoted # no comment", "D": "a=b", "E": ""}
    assert read_env_file(file) == expected
    file.write_text("A=1\ns3cret\n")
    with pytest.raises(ValueError, match="line 2: write NAME=value") as refused:
        read_env_file(file)
    assert "s3cret" not in str(refused.value)


def test_the_environment_is_its_own_again_afterwards() -> None:
    before = dict(os.environ)
    with only({"A": "1"}):
        assert dict(os.environ) == {"A": "1"}
    assert dict(os.environ) == before


@pytest.mark.parametrize(
    ("image", "words", "process"),
    [
        ("registry.example.com:5000/tocsin/router:0.1.0", ["worker"], "router"),
        ("tocsin/router@sha256:00", ["api"], "router"),
        ("tocsin/router:0.1.0", ["migrate"], "migrate"),
        ("tocsin/router:0.1.0", ["tocsin", "topics", "apply"], "topics"),
        ("tocsin/ledger", [], "ledger"),
        ("tocsin/ledger", ["witness"], "ledger-witness"),
        ("postgres:18", [], None),
    ],
)
def test_a_container_is_known_by_its_image_and_its_words(
    image: str, words: list[str], process: str | None
) -> None:
    assert process_of(image, words) == process


def test_a_service_that_is_not_here_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tocsin.ledger", None)
    monkeypatch.delitem(__import__("sys").modules, "tocsin.ledger.settings", raising=False)
    with pytest.raises(NotInstalled):
        settings_of("ledger")
