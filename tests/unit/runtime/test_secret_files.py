"""Every secret may stand in a file: `NAME_FILE` names it."""

from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from tocsin.runtime import About, Settings, SettingsInvalid, read_settings, settings_table, variables_of


class VaultSettings(Settings):
    model_config = SettingsConfigDict(env_prefix="VAULT_", frozen=True)

    password: SecretStr = Field(description="Opens it")
    user: Annotated[str | None, About(from_file=True)] = Field(default=None, description="Who opens it")
    keys: list[SecretStr] = Field(default=[], description="Others that open it")
    colour: str = Field(default="grey", description="Its colour")


class HouseSettings(Settings):
    model_config = SettingsConfigDict(env_prefix="HOUSE_", frozen=True)

    vault: VaultSettings = Field(description="The vault")
    rooms: Annotated[int, About(unit="rooms")] = Field(default=1, ge=1, description="How many rooms")


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    return tmp_path / "secret"


def fault(cls: type[Settings] = VaultSettings) -> str:
    with pytest.raises(SettingsInvalid) as refused:
        read_settings(cls)
    (only,) = refused.value.faults
    return only


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ("open sesame", "open sesame"),
        ("open sesame\n", "open sesame"),
        ("open sesame\r\n", "open sesame"),
        (" with spaces ", " with spaces "),
        ("two\nlines\n", "two\nlines"),
    ],
)
def test_a_file_holds_a_secret(
    secret: Path, content: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret.write_bytes(content.encode())
    monkeypatch.setenv("VAULT_PASSWORD_FILE", str(secret))
    assert read_settings(VaultSettings).password.get_secret_value() == value
    assert VaultSettings().password.get_secret_value() == value


def test_what_belongs_to_a_secret_may_stand_in_a_file_and_other_things_may_not(
    secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret.write_text("anna")
    monkeypatch.setenv("VAULT_PASSWORD", "x")
    monkeypatch.setenv("VAULT_USER_FILE", str(secret))
    monkeypatch.setenv("VAULT_COLOUR_FILE", str(secret))
    read = read_settings(VaultSettings)
    assert (read.user, read.colour) == ("anna", "grey")
    assert variables_of(HouseSettings) == {
        "HOUSE_ROOMS", "VAULT_PASSWORD", "VAULT_PASSWORD_FILE", "VAULT_USER", "VAULT_USER_FILE",
        "VAULT_KEYS", "VAULT_KEYS_FILE", "VAULT_COLOUR",
    }  # fmt: skip
    assert [row.name for row in settings_table(VaultSettings) if not row.from_file] == ["VAULT_COLOUR"]


def test_both_at_once_are_refused(secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret.write_text("s3cret")
    monkeypatch.setenv("VAULT_PASSWORD", "s3cret")
    monkeypatch.setenv("vault_password_file", str(secret))
    assert fault() == "VAULT_PASSWORD and VAULT_PASSWORD_FILE are both set; unset one of them."


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/nowhere/s3cret", "names a file that cannot be read: No such file or directory"),
        ("/", "names a file that cannot be read: Is a directory"),
        ("", "names a file that cannot be read: Is a directory"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_sentence_without_its_path_which_may_be_the_secret(
    path: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_PASSWORD_FILE", path)
    said = fault()
    assert said == f"VAULT_PASSWORD_FILE {words}; mount the file, or correct the path."
    assert "s3cret" not in said


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"\xff\xfe", "is no text in UTF-8"), (b"\n", "an empty file"), (b"", "an empty file")],
)
def test_a_file_without_a_secret_is_refused(
    secret: Path, content: bytes, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret.write_bytes(content)
    monkeypatch.setenv("VAULT_PASSWORD_FILE", str(secret))
    assert words in fault()


def test_the_examples_secret_is_refused_in_a_file_too(secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret.write_text("replace-me")
    monkeypatch.setenv("VAULT_PASSWORD_FILE", str(secret))
    assert fault() == "VAULT_PASSWORD: this is the example's secret; set one of your own."


def test_faults_of_files_and_of_other_groups_are_told_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_PASSWORD_FILE", "/nowhere")
    monkeypatch.setenv("VAULT_KEYS_FILE", "/nowhere")
    monkeypatch.setenv("HOUSE_ROOMS", "0")
    with pytest.raises(SettingsInvalid) as refused:
        read_settings(HouseSettings)
    assert [said.partition(" ")[0] for said in refused.value.faults] == [
        "VAULT_PASSWORD_FILE",
        "VAULT_KEYS_FILE",
        "HOUSE_ROOMS",
    ]
