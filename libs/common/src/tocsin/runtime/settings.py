"""Settings come from the environment, are checked once at start-up, and are passed in; nothing reads them globally.

A service's settings are one class; shared groups (Kafka, database, HTTP…) are fields whose type is another settings class.
Every field has a `description`: it is the text of `--help` and of the README's table.
"""

import os
import sys
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any, NoReturn, TypeVar

from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasPath,
    BeforeValidator,
    SecretStr,
    ValidationError,
    create_model,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsError

from tocsin.contracts.vocabulary import Lane
from tocsin.runtime.errors import ExitCode

S = TypeVar("S", bound=BaseSettings)


def _split(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _distinct(lanes: list[Lane]) -> list[Lane]:
    if not lanes:
        raise ValueError("name at least one lane")
    if len(set(lanes)) != len(lanes):
        raise ValueError("name each lane once")
    return lanes


def _networks(addresses: Any) -> list[IPv4Network | IPv6Network]:
    try:
        return [ip_network(address) for address in addresses]
    except ValueError:
        raise ValueError("write addresses or networks with commas between: 10.0.0.7,10.1.0.0/16") from None


EXAMPLE = "replace-me"
"""In every secret of the example manifests."""

CommaList = Annotated[list[str], NoDecode, BeforeValidator(_split)]
"""A list written with commas in one variable."""

Networks = Annotated[
    list[IPv4Network | IPv6Network], NoDecode, BeforeValidator(_networks), BeforeValidator(_split)
]
"""IP addresses and networks written with commas in one variable; read as a list of networks."""

Lanes = Annotated[list[Lane], NoDecode, BeforeValidator(_split), AfterValidator(_distinct)]
"""Lanes written with commas: `critical,transactional`; at least one, each once."""


class SettingsInvalid(Exception):
    """The environment does not make valid settings; `faults` holds a sentence for each reason. Correct them and start again."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__(" ".join(faults))
        self.faults = faults


def load_settings(cls: type[S]) -> S:
    """The settings of the environment, or the end of the process: exit code 2, one sentence per fault on stderr.

    A sentence names the variable and what to do; it never repeats a value, which may be a secret.
    """
    try:
        return read_settings(cls)
    except SettingsInvalid as invalid:
        _refuse(invalid.faults)


def read_settings(cls: type[S]) -> S:
    """The settings of the environment. Raises `SettingsInvalid` with the faults of all groups together."""
    faults: list[str] = []
    groups: dict[str, Any] = {}
    for name, group in groups_of(cls).items():
        try:
            groups[name] = read_settings(group)
        except SettingsInvalid as invalid:
            faults += invalid.faults
    try:
        settings = _without(cls, groups_of(cls).keys() - groups.keys())(**groups)
    except ValidationError as error:
        faults += [_sentence(cls, fault) for fault in error.errors(include_url=False, include_input=False)]
    except SettingsError as error:
        faults.append(f"{error}.")
    else:
        faults += _examples(cls)
        if not faults:
            return settings
    raise SettingsInvalid(faults)


def _examples(cls: type[BaseSettings]) -> list[str]:
    """A sentence for each secret that still is the one of the examples, which everybody knows."""
    groups = groups_of(cls)
    variables = [
        variable_of(cls, name)
        for name, field in cls.model_fields.items()
        if name not in groups and is_secret(field)
    ]
    return [
        f"{variable}: this is the example's secret; set one of your own."
        for variable in variables
        if EXAMPLE in os.environ.get(variable, "")
    ]


def _without(cls: type[S], unusable: Iterable[str]) -> type[S]:
    """`cls` as if the groups named had no say: for finding the faults of the rest."""
    ignored: dict[str, Any] = dict.fromkeys(unusable, (Any, None))
    return create_model(cls.__name__, __base__=cls, **ignored) if ignored else cls


def groups_of(cls: type[BaseSettings]) -> dict[str, type[BaseSettings]]:
    """The fields of `cls` that are settings classes themselves."""
    return {
        name: field.annotation
        for name, field in cls.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseSettings)
    }


def variable_of(cls: type[BaseSettings], name: str) -> str:
    """The environment variable a field is read from, in capitals."""
    alias = _alias(cls.model_fields[name])
    return (alias or f"{cls.model_config.get('env_prefix', '')}{name}").upper()


def is_secret(field: FieldInfo) -> bool:
    """Whether a field's value must never be shown."""
    return "SecretStr" in str(field.annotation) or field.annotation is SecretStr


def _alias(field: FieldInfo) -> str | None:
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        alias = alias.choices[0]
    if isinstance(alias, AliasPath):
        alias = str(alias.path[0])
    return alias


def _sentence(cls: type[BaseSettings], fault: ErrorDetails) -> str:
    if not fault["loc"]:
        return f"{_what(fault)}."
    first = str(fault["loc"][0])
    name = first if first in cls.model_fields else _named(cls, first)
    variable = variable_of(cls, name) if name else first.upper()
    meaning = cls.model_fields[name].description if name else None
    if fault["type"] == "missing":
        return f"{variable} is not set; set it to: {meaning or 'a value'}."
    return (
        f"{variable} is not valid: {_what(fault)}; it means: {meaning}."
        if meaning
        else f"{variable} is not valid: {_what(fault)}."
    )


def _named(cls: type[BaseSettings], alias: str) -> str | None:
    """The field a fault is about, when pydantic names it by its variable."""
    return next((name for name in cls.model_fields if variable_of(cls, name) == alias.upper()), None)


def _what(fault: ErrorDetails) -> str:
    text = fault["msg"].removeprefix("Value error, ").removesuffix(".")
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def _refuse(faults: list[str]) -> NoReturn:
    sys.stderr.write("".join(f"{fault}\n" for fault in faults))
    sys.exit(ExitCode.SETTINGS_INVALID)
