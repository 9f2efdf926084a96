"""A group that cannot be read must not hide the faults of the others, nor trip over its own rules."""

from typing import Self

import pytest
from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from tocsin.runtime import SettingsInvalid, read_settings


class Store(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="STORE_")
    url: str = Field(description="where it is")

    @model_validator(mode="after")
    def _looks_at_its_fields(self) -> Self:
        if not self.url.startswith("store:"):
            raise ValueError("STORE_URL begins otherwise than with store:")
        return self


class Whole(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="WHOLE_")
    store: Store = Field(description="the store")
    size: int = Field(ge=1, description="how large")


@pytest.fixture(autouse=True)
def _empty(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STORE_URL", "WHOLE_SIZE"):
        monkeypatch.delenv(name, raising=False)


def test_a_group_with_rules_of_its_own_may_be_missing() -> None:
    with pytest.raises(SettingsInvalid) as invalid:
        read_settings(Whole)
    assert invalid.value.faults == [
        "STORE_URL is not set; set it to: where it is.",
        "WHOLE_SIZE is not set; set it to: how large.",
    ]


def test_faults_of_a_group_and_of_the_whole_are_told_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORE_URL", "elsewhere")
    monkeypatch.setenv("WHOLE_SIZE", "0")
    with pytest.raises(SettingsInvalid) as invalid:
        read_settings(Whole)
    assert invalid.value.faults[0] == "STORE_URL begins otherwise than with store:."
    assert invalid.value.faults[1].startswith("WHOLE_SIZE is not valid: ")


def test_valid_settings_are_of_the_class_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORE_URL", "store:here")
    monkeypatch.setenv("WHOLE_SIZE", "3")
    settings = read_settings(Whole)
    assert type(settings) is Whole
    assert settings.store.url == "store:here"
