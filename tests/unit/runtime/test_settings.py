"""How settings are read, refused and described."""

from typing import Annotated, Literal

import pytest
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from tocsin.contracts.vocabulary import Lane
from tocsin.runtime import (
    About,
    CommaList,
    Lanes,
    Networks,
    ServiceSettings,
    SettingRow,
    SettingsInvalid,
    load_settings,
    read_settings,
    settings_markdown,
    settings_table,
    settings_text,
)


class BrokerSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="BROKER_")

    servers: CommaList = Field(description="host:port, separated by commas")
    password: SecretStr = Field(default=SecretStr("hidden"), description="Password of the user")
    mode: Literal["plain", "tls"] = Field(default="plain", description="plain or tls")


class BellSettings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="BELL_")

    size: Annotated[int, About(unit="kilograms", danger="It falls")] = Field(
        default=3, ge=1, le=9, description="How large | heavy it is"
    )
    lanes: Lanes = Field(
        default=list(Lane), validation_alias="LANES", description="Lanes this process serves"
    )
    broker: BrokerSettings = Field(description="The broker")


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LANES", "BELL_SIZE", "BROKER_SERVERS", "BROKER_MODE", "OPERATIONS_PORT", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)


def faults(cls: type[BaseSettings]) -> list[str]:
    with pytest.raises(SettingsInvalid) as caught:
        read_settings(cls)
    return caught.value.faults


def test_reads_own_fields_and_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKER_SERVERS", "a:1, b:2")
    monkeypatch.setenv("LANES", "critical, bulk")
    monkeypatch.setenv("OPERATIONS_PORT", "9100")
    settings = read_settings(BellSettings)
    assert settings.broker.servers == ["a:1", "b:2"]
    assert settings.lanes == [Lane.CRITICAL, Lane.BULK]
    assert settings.operations.port == 9100
    assert settings.size == 3


def test_says_each_fault_of_all_groups_in_a_sentence_without_the_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BELL_SIZE", "0")
    monkeypatch.setenv("BROKER_MODE", "s3cret")
    monkeypatch.setenv("OPERATIONS_PORT", "s3cret")
    told = faults(BellSettings)
    assert told == [
        "OPERATIONS_PORT is not valid: input should be a valid integer, unable to parse string as an integer; it means: Port of `/livez`, `/readyz` and `/metrics`; 0 takes a free one and logs it.",
        "BROKER_SERVERS is not set; set it to: host:port, separated by commas.",
        "BROKER_MODE is not valid: input should be 'plain' or 'tls'; it means: plain or tls.",
        "BELL_SIZE is not valid: input should be greater than or equal to 1; it means: How large | heavy it is.",
    ]
    assert "s3cret" not in "".join(told)


@pytest.mark.parametrize(
    ("lanes", "fault"),
    [
        ("", "name at least one lane"),
        ("bulk,bulk", "name each lane once"),
        ("express", "input should be 'critical',"),
    ],
)
def test_lanes_that_make_no_sense(monkeypatch: pytest.MonkeyPatch, lanes: str, fault: str) -> None:
    monkeypatch.setenv("BROKER_SERVERS", "a:1")
    monkeypatch.setenv("LANES", lanes)
    (said,) = faults(BellSettings)
    assert said.startswith(f"LANES is not valid: {fault}")


def test_load_ends_the_process_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        load_settings(BellSettings)
    assert ended.value.code == 2
    assert (
        capsys.readouterr().err == "BROKER_SERVERS is not set; set it to: host:port, separated by commas.\n"
    )


def test_the_table_names_every_variable_and_no_secret() -> None:
    rows = settings_table(BellSettings)
    by_name = {row.name: row for row in rows}
    assert by_name["BELL_SIZE"] == SettingRow(
        name="BELL_SIZE",
        default="3",
        meaning="How large | heavy it is",
        type="whole number",
        unit="kilograms",
        bounds="≥ 1, ≤ 9",
        danger="It falls.",
    )
    assert by_name["LANES"].default == "critical,transactional,bulk"
    assert by_name["BROKER_SERVERS"].default == "required"
    assert by_name["BROKER_PASSWORD"].default == "(secret)"
    assert {
        "OPERATIONS_HOST",
        "OPERATIONS_PORT",
        "LOG_FORMAT",
        "TRACE_SAMPLE_RATIO",
        "SHUTDOWN_TIMEOUT",
    } <= by_name.keys()
    assert "| `BELL_SIZE` | `3` | How large \\| heavy it is |\n" in settings_markdown(BellSettings)
    assert "BELL_SIZE" in settings_text(BellSettings)


def test_a_setting_without_a_meaning_is_refused() -> None:
    class Mute(BaseSettings):
        volume: int = 3

    with pytest.raises(ValueError, match=r"Mute\.volume has no description"):
        settings_table(Mute)


def test_a_number_without_a_unit_is_refused() -> None:
    class Vague(BaseSettings):
        volume: int | None = Field(default=3, description="How loud it is")

    with pytest.raises(ValueError, match=r"Vague\.volume has no unit"):
        settings_table(Vague)


def test_groups_can_be_given_directly() -> None:
    settings = BellSettings(broker=BrokerSettings(servers=["x:1"]))
    assert settings.broker.servers == ["x:1"]
    assert settings.shutdown_timeout == 45.0


class GateSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="GATE_")

    proxies: Networks = Field(default=[], description="Whom we believe")


def test_networks_are_written_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings(GateSettings).proxies == []
    monkeypatch.setenv("GATE_PROXIES", "10.0.0.7, 10.1.0.0/16,2001:db8::/32")
    shown = [str(network) for network in read_settings(GateSettings).proxies]
    assert shown == ["10.0.0.7/32", "10.1.0.0/16", "2001:db8::/32"]
    monkeypatch.setenv("GATE_PROXIES", "10.0.0.7,proxy.example")
    assert faults(GateSettings) == [
        "GATE_PROXIES is not valid: write addresses or networks with commas between: 10.0.0.7,10.1.0.0/16; it means: Whom we believe."
    ]
