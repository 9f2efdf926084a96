"""docs/operations/settings.md: every setting of every process, once, with a meaning and a unit."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from tocsin.cli.config import processes
from tocsin.cli.config.processes import CALLBACKS, PROCESSES, SERVICES, settings_of
from tocsin.contracts.vocabulary import Channel
from tocsin.runtime import ServiceSettings, settings_table
from tocsin.specifications import settings_page as page
from tocsin.specifications.settings_page import SettingUnusable, sections, settings_page

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "operations" / "settings.md"


def test_the_page_is_what_the_code_reads() -> None:
    assert PAGE.read_text() == settings_page(PAGE), "run `make contracts` and commit the result"


def test_every_service_is_a_process() -> None:
    folders = {path.parent.name for path in ROOT.glob("services/*/pyproject.toml")}
    assert folders == set(SERVICES) - {processes.WITNESS}


def test_each_setting_stands_there_once() -> None:
    told = [row.name for section in sections() for row in section.rows]
    told += [
        row.name.replace("<CHANNEL>", channel.upper())
        for section in sections()
        for row in section.rows
        for channel in Channel
        if "<" in row.name and any(reader.startswith(channel.dispatcher) for reader in section.readers)
    ]
    read = {row.name for process in PROCESSES for row in settings_table(settings_of(process))}
    assert len(told) == len(set(told))
    assert read == {name for name in told if "<" not in name and not name.startswith("TOCSIN_")}


def test_who_reads_it_is_told() -> None:
    readers = {section.title: section.readers for section in sections()}
    assert readers["Every process"] == [*SERVICES, *CALLBACKS]
    assert readers["PostgreSQL"] == ["router", "scheduler", "dispatch-inapp", "ledger"]
    dispatchers = [name for name in SERVICES if name.startswith("dispatch-")]
    assert readers["Dispatchers"] == dispatchers
    assert readers["Dispatchers and their callbacks"] == [*dispatchers, *CALLBACKS]
    assert readers["Callbacks of providers"] == list(CALLBACKS)


class Unusable(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="UNUSABLE_")

    size: int = Field(default=1, description="How large it is")


class Untitled(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="UNTITLED_")

    colour: str = Field(default="red", description="Its colour")


@pytest.mark.parametrize(
    ("cls", "words"), [(Unusable, r"Unusable\.size has no unit"), (Untitled, "Give Untitled a heading")]
)
def test_what_nobody_could_use_fails_the_check(
    cls: type[Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "settings_of", lambda name: cls if name == "ledger" else settings_of(name))
    with pytest.raises(SettingUnusable, match=words):
        settings_page(PAGE)
