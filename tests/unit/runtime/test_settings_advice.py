"""Misspelt variables, and values that are legal and do harm."""

import os
from collections.abc import Iterable
from typing import Annotated, Self

import pytest
from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from tocsin.database import DatabaseSettings
from tocsin.ingest.settings import IngestSettings
from tocsin.kafka import KafkaSettings
from tocsin.ledger.settings import LedgerSettings
from tocsin.router.settings import RouterSettings
from tocsin.runtime import (
    About,
    Advice,
    HttpSettings,
    Settings,
    SettingsInvalid,
    Unwise,
    advice_beside,
    advice_on,
    load_settings,
    read_settings,
    unknown_variables,
)
from tocsin.scheduler.settings import SchedulerSettings

LOW = Unwise(bound=3, harm="it rings too softly", remedy="make it larger")
HIGH = Unwise(bound=8, harm="it falls", remedy="make it smaller")
KEYS = {"ROUTER_HASH_KEYS": "1:" + "x" * 32, "ROUTER_UNSUBSCRIBE_KEYS": "1:" + "y" * 32}
URL = "postgresql://db/tocsin"


@pytest.fixture
def only_these_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        monkeypatch.delenv(name)


class RopeSettings(Settings):
    model_config = SettingsConfigDict(env_prefix="ROPE_", frozen=True)

    length: Annotated[float, About(unit="metres", under=LOW)] = Field(default=4, description="How long it is")


class TowerSettings(Settings):
    model_config = SettingsConfigDict(env_prefix="TOWER_", populate_by_name=True, frozen=True)

    bells: Annotated[int | None, About(unit="bells", under=LOW, over=HIGH)] = Field(
        default=None, description="How many"
    )
    height: str = Field(default="", validation_alias="TOWER_HEIGHT", description="How high")
    lanes: str = Field(default="", validation_alias="LANES", description="Which lanes")
    key: SecretStr | None = Field(default=None, description="Opens it")
    rope: RopeSettings = Field(default_factory=RopeSettings, description="The rope")

    def advice(self) -> Iterable[Advice]:
        if self.bells == 5:
            yield Advice(variable="TOWER_BELLS", harm="is 5 of all numbers", remedy="think again")


def said(settings: Settings) -> list[str]:
    return [f"{advice.variable} {advice.harm}" for advice in advice_on(settings)]


def unknown(*names: str) -> dict[str, str]:
    return {
        advice.variable: advice.remedy
        for advice in unknown_variables(TowerSettings, dict.fromkeys(names, "s3cret"))
    }


@pytest.mark.parametrize(
    ("bells", "length", "expected"),
    [
        (None, 4, []),
        (3, 3, []),
        (8, 4, []),
        (2, 2.5, ["TOWER_BELLS is 2: it rings too softly", "ROPE_LENGTH is 2.5: it rings too softly"]),
        (9, 4, ["TOWER_BELLS is 9: it falls"]),
        (5, 4, ["TOWER_BELLS is 5 of all numbers"]),
    ],
)
def test_values_beyond_a_bound_are_unwise(bells: int | None, length: float, expected: list[str]) -> None:
    assert said(TowerSettings(bells=bells, rope=RopeSettings(length=length))) == expected


class StrictRope(RopeSettings):
    colour: str = Field(description="Its colour")


class StrictTower(TowerSettings):
    rope: StrictRope = Field(description="The rope")
    floors: int = Field(default=1, ge=1, description="How many floors")

    @model_validator(mode="after")
    def _has_a_height(self) -> Self:
        if self.height == "none":
            raise ValueError("a tower has a height")
        return self

    def advice(self) -> Iterable[Advice]:
        yield from super().advice()
        if self.rope.length > 100:
            yield Advice(variable="ROPE_LENGTH", harm="is longer than towers are", remedy="cut it")


@pytest.mark.parametrize(
    ("given", "beside"),
    [
        # A group is refused: what is its own, what is the whole's, but not what would need both.
        ({"ROPE_LENGTH": "2", "TOWER_BELLS": "9"}, ["TOWER_BELLS is 9: it falls", "ROPE_LENGTH is 2: it rings too softly"]),
        ({"TOWER_BELLS": "5"}, ["TOWER_BELLS is 5 of all numbers"]),
        # A field of the whole is: its other fields, and the group.
        ({"TOWER_FLOORS": "0", "ROPE_COLOUR": "red", "ROPE_LENGTH": "2", "TOWER_BELLS": "9"},
         ["TOWER_BELLS is 9: it falls", "ROPE_LENGTH is 2: it rings too softly"]),
        # What it asks of its fields together, or a secret that cannot be had.
        ({"TOWER_HEIGHT": "none", "ROPE_COLOUR": "red", "TOWER_BELLS": "9"}, ["TOWER_BELLS is 9: it falls"]),
        ({"TOWER_KEY_FILE": "/nowhere/key", "ROPE_COLOUR": "red", "TOWER_BELLS": "9"}, ["TOWER_BELLS is 9: it falls"]),
        ({"TOWER_BELL": "9"}, ["TOWER_BELL is no setting and changes nothing"]),
    ],
)  # fmt: skip
def test_what_is_unwise_is_said_beside_what_is_refused(
    only_these_variables: None, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], beside: list[str]
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsInvalid) as invalid:
        read_settings(StrictTower)
    assert len(invalid.value.faults) == 1
    told = [f"{advice.variable} {advice.harm}" for advice in advice_beside(invalid.value, StrictTower, given)]
    assert sorted(told) == sorted(beside)


def test_a_service_that_does_not_start_says_both(
    only_these_variables: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TOWER_BELLS", "9")
    monkeypatch.setenv("ROPE_COLOR", "red")
    with pytest.raises(SystemExit) as ended:
        load_settings(StrictTower)
    assert ended.value.code == 2
    assert capsys.readouterr().err.splitlines() == [
        "ROPE_COLOUR is not set; set it to: Its colour.",
        "Warning: ROPE_COLOR is no setting and changes nothing; did you mean ROPE_COLOUR?",
        "Warning: TOWER_BELLS is 9: it falls; make it smaller.",
    ]


def test_names_of_our_prefixes_that_nothing_reads_are_told_with_the_nearest_known() -> None:
    assert unknown("TOWER_BELL", "ROPE_LENGHT", "tower_key_fil") == {
        "TOWER_BELL": "did you mean TOWER_BELLS?",
        "ROPE_LENGHT": "did you mean ROPE_LENGTH?",
        "tower_key_fil": "did you mean TOWER_KEY_FILE?",
    }
    assert unknown("TOWER_OF_PISA_INCLINATION") == {
        "TOWER_OF_PISA_INCLINATION": "remove it, or look for its name in the list of settings"
    }


def test_a_name_without_a_prefix_is_told_where_it_is_nearly_ours() -> None:
    assert unknown("LANE", "LANG", "PATH", "PLANES_OF_ALL_KINDS") == {"LANE": "did you mean LANES?"}


def test_what_is_known_and_what_others_set_is_not_told() -> None:
    known = ("TOWER_BELLS", "tower_bells", "TOWER_KEY_FILE", "ROPE_LENGTH", "TOWER_HEIGHT", "LANES")
    assert unknown("OTHER_BELLS", *known) == {}
    of_kubernetes = {
        "TOWER_SERVICE_HOST": "10.0.0.7",
        "TOWER_SERVICE_PORT_HTTP": "80",
        "TOWER_PORT": "tcp://10.0.0.7:80",
        "TOWER_PORT_80_TCP": "tcp://10.0.0.7:80",
        "TOWER_PORT_80_TCP_ADDR": "10.0.0.7",
    }
    assert list(unknown_variables(TowerSettings, of_kubernetes)) == []
    assert unknown("TOWER_PORT").keys() == {"TOWER_PORT"}
    assert list(unknown_variables(HttpSettings, {"HTTP_PROXY": "http://proxy"})) == []


@pytest.mark.parametrize(
    ("fields", "variable"),
    [
        ({}, None),
        ({"sasl_mechanism": "PLAIN", "security_protocol": "SASL_PLAINTEXT"}, "KAFKA_SASL_MECHANISM"),
        ({"sasl_mechanism": "PLAIN", "security_protocol": "SASL_SSL"}, None),
        ({"topic_prefix": "shop"}, "KAFKA_TOPIC_PREFIX"),
        ({"topic_prefix": "shop-"}, None),
        ({"topic_prefix": ""}, None),
    ],
)
def test_of_kafka(fields: dict[str, str], variable: str | None) -> None:
    login = {"sasl_username": "a", "sasl_password": "b"} if "security_protocol" in fields else {}
    settings = KafkaSettings.model_validate({"bootstrap_servers": "a:1", **fields, **login})
    assert [advice.variable for advice in advice_on(settings)] == ([variable] if variable else [])


@pytest.mark.parametrize(
    ("fields", "variable"),
    [
        ({}, None),
        ({"pool_size": 1}, "DATABASE_POOL_SIZE"),
        ({"pool_timeout": 0.5}, "DATABASE_POOL_TIMEOUT"),
        ({"connect_timeout": 0.5}, "DATABASE_CONNECT_TIMEOUT"),
        ({"statement_timeout": 0}, "DATABASE_STATEMENT_TIMEOUT"),
        ({"statement_timeout": 4}, "DATABASE_STATEMENT_TIMEOUT"),
        ({"tls_ca": __file__}, "DATABASE_TLS_CA"),
        ({"tls_ca": __file__, "tls": "verify-full"}, None),
    ],
)
def test_of_the_database(fields: dict[str, object], variable: str | None) -> None:
    settings = DatabaseSettings.model_validate({"url": URL, **fields})
    assert [advice.variable for advice in advice_on(settings)] == ([variable] if variable else [])


@pytest.mark.parametrize(
    ("proxies", "unwise"), [("10.0.0.0/8", False), ("0.0.0.0/0", True), ("10.0.0.1,::/0", True)]
)
def test_of_proxies(proxies: str, unwise: bool) -> None:
    settings = HttpSettings.model_validate({"trusted_proxies": proxies})
    assert bool(said(settings)) == unwise


@pytest.mark.parametrize(
    ("settings", "given", "variables"),
    [
        (RouterSettings, {}, []),
        (RouterSettings, {"ROUTER_SHARDS": "12"}, ["DATABASE_POOL_SIZE"]),
        (RouterSettings, {"ROUTER_SHARDS": "12", "DATABASE_POOL_SIZE": "13"}, []),
        (RouterSettings, {"ROUTER_SHARDS": "12", "DATABASE_POOL_SIZE": "1"}, ["DATABASE_POOL_SIZE"]),
        (RouterSettings, {"PUBLIC_URL": "http://notify.example.com"}, ["PUBLIC_URL"]),
        (RouterSettings, {"PUBLIC_URL": "http://localhost:8080"}, []),
        (RouterSettings, {"ROUTER_DUPLICATE_WINDOW": "60"}, ["ROUTER_DUPLICATE_WINDOW"]),
        (RouterSettings, {"ROUTER_DUPLICATE_WINDOW": "1e6"}, ["ROUTER_DUPLICATE_WINDOW"]),
        (RouterSettings, {"TRACE_SAMPLE_RATIO": "1"}, ["TRACE_SAMPLE_RATIO"]),
        (SchedulerSettings, {}, []),
        (SchedulerSettings, {"SCHEDULER_SHARDS": "11"}, ["DATABASE_POOL_SIZE"]),
        (LedgerSettings, {}, []),
        (LedgerSettings, {"LEDGER_RETENTION_DAYS": "1"}, ["LEDGER_RETENTION_DAYS"]),
        (IngestSettings, {}, []),
        (IngestSettings, {"SHUTDOWN_TIMEOUT": "20", "INGEST_PUBLISH_TIMEOUT": "20"}, ["SHUTDOWN_TIMEOUT"]),
        (IngestSettings, {"SHUTDOWN_TIMEOUT": "6"}, ["SHUTDOWN_TIMEOUT"]),
        (IngestSettings, {"INGEST_INSTANCES": "4", "INGEST_KEY_REQUESTS_PER_SECOND": "3"}, ["INGEST_KEY_REQUESTS_PER_SECOND"]),
        (IngestSettings, {"INGEST_INSTANCES": "4", "INGEST_KEY_REQUESTS_PER_SECOND": "4"}, []),
    ],
)  # fmt: skip
def test_of_services(
    settings: type[Settings], given: dict[str, str], variables: list[str], only_these_variables: None, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    for name, value in {"KAFKA_BOOTSTRAP_SERVERS": "a:1", "DATABASE_URL": URL, **KEYS, **given}.items():
        monkeypatch.setenv(name, value)
    assert [advice.variable for advice in advice_on(read_settings(settings))] == variables
