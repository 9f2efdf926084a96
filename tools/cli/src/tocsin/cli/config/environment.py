"""What is wrong with the variables of one process: what it refuses to start with, and what it would warn of. No value of a secret is told."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tocsin.cli.config.processes import settings_of
from tocsin.runtime import (
    Advice,
    Settings,
    SettingsInvalid,
    advice_beside,
    advice_on,
    read_settings,
    unknown_variables,
)


@dataclass(frozen=True, kw_only=True)
class ConfigFinding:
    """An `error` is what a process refuses to start with, or cannot work with; a `warning` is legal and unwise."""

    level: Literal["error", "warning"]
    where: tuple[str, ...]
    what: str
    remedy: str


@dataclass(frozen=True, kw_only=True)
class Checked:
    """The settings of one process, where they are valid, and what is to be said of them."""

    settings: Settings | None
    findings: list[ConfigFinding]


def check(process: str, variables: Mapping[str, str], *, where: str | None = None) -> Checked:
    """As the process would read these variables and no others. Raises NotInstalled."""
    cls, place = settings_of(process), (where or process,)
    with only(variables):
        try:
            settings = read_settings(cls)
        except SettingsInvalid as invalid:
            faults = [
                ConfigFinding(
                    level="error", where=place, what=fault, remedy="the service does not start with it"
                )
                for fault in invalid.faults
            ]
            warnings = [_warning(one, place) for one in advice_beside(invalid, cls, variables)]
            return Checked(settings=None, findings=faults + warnings)
    advice = [*unknown_variables(cls, variables), *advice_on(settings)]
    return Checked(settings=settings, findings=[_warning(one, place) for one in advice])


def merged(findings: Iterable[ConfigFinding]) -> list[ConfigFinding]:
    """What several processes have alike is one finding; errors come first."""
    alike: dict[tuple[str, str, str], list[str]] = {}
    for finding in findings:
        places = alike.setdefault((finding.level, finding.what, finding.remedy), [])
        places += [place for place in finding.where if place not in places]
    told = [
        ConfigFinding(
            level="error" if level == "error" else "warning", where=tuple(places), what=what, remedy=remedy
        )
        for (level, what, remedy), places in alike.items()
    ]
    return sorted(told, key=lambda finding: finding.level)


def read_env_file(path: Path) -> dict[str, str]:
    """`NAME=value` on each line, as Compose and kustomize read it; quotes around a value and `export` before a name are taken away.

    Raises ValueError with a sentence that names the line, not its content.
    """
    variables: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.removeprefix("export ").partition("=")
        if not equals or not name.strip():
            raise ValueError(f"{path}, line {number}: write NAME=value.")
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        variables[name.strip()] = value
    return variables


@contextmanager
def only(variables: Mapping[str, str]) -> Iterator[None]:
    """The process's environment is these variables, for as long as the block runs."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _warning(advice: Advice, where: tuple[str, ...]) -> ConfigFinding:
    return ConfigFinding(
        level="warning", where=where, what=f"{advice.variable} {advice.harm}.", remedy=advice.remedy
    )
