"""Settings come from the environment, are checked once at start-up, and are passed in; nothing reads them globally.

A service's settings are one class; shared groups (Kafka, database, HTTP…) are fields whose type is another settings class.
Every field has a `description`: it is the text of `--help` and of the README's table. What else is to be known of it stands in
its `About`, and on docs/operations/settings.md.
"""

import sys
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any, NoReturn, TypeVar

from pydantic import AfterValidator, BeforeValidator, SecretStr, ValidationError, create_model
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsError

from tocsin.contracts.vocabulary import Lane
from tocsin.runtime.errors import ExitCode
from tocsin.runtime.secret_files import SecretFiles, SecretFilesUnusable
from tocsin.runtime.setting_names import groups_of, is_secret, own_fields, variable_of

S = TypeVar("S", bound=BaseSettings)


def split_at_commas(value: Any) -> Any:
    """The parts of a text that has commas between; anything else as it is."""
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

CommaList = Annotated[list[str], NoDecode, BeforeValidator(split_at_commas)]
"""A list written with commas in one variable."""

Networks = Annotated[
    list[IPv4Network | IPv6Network], NoDecode, BeforeValidator(_networks), BeforeValidator(split_at_commas)
]
"""IP addresses and networks written with commas in one variable; read as a list of networks."""

Lanes = Annotated[list[Lane], NoDecode, BeforeValidator(split_at_commas), AfterValidator(_distinct)]
"""Lanes written with commas: `critical,transactional`; at least one, each once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """A variable whose value is legal and unwise: `harm` says what it does, `remedy` what to do instead."""

    variable: str
    harm: str
    remedy: str


class Settings(BaseSettings):
    """What settings classes begin with: they are read from the environment, and secrets from files as well (`NAME_FILE`)."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - we have no such file
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - a folder for all, which Kubernetes has not
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is given in code, then the environment, then files."""
        return init_settings, env_settings, SecretFiles(settings_cls)

    def advice(self) -> Iterable[Advice]:
        """What is unwise about values that are legal together. A bound of one value stands in its `About`."""
        return ()

    @classmethod
    def of_other_roles(cls) -> Collection[str]:
        """Variables that begin like its own and are another role's: both may share an environment, so they are not misspelt."""
        return ()


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
    except SecretFilesUnusable as unusable:
        faults += unusable.faults
    except SettingsError as error:
        faults.append(f"{error}.")
    else:
        faults += _examples(cls, settings)
        if not faults:
            return settings
    raise SettingsInvalid(faults)


def _examples(cls: type[BaseSettings], settings: BaseSettings) -> list[str]:
    """A sentence for each secret that still is the one of the examples, which everybody knows."""
    return [
        f"{variable_of(cls, name)}: this is the example's secret; set one of your own."
        for name, field in own_fields(cls).items()
        if is_secret(field) and EXAMPLE in _shown(getattr(settings, name))
    ]


def _shown(secret: Any) -> str:
    match secret:
        case SecretStr():
            return secret.get_secret_value()
        case list():
            return ",".join(map(_shown, secret))
        case _:
            return ""


def _without(cls: type[S], unusable: Iterable[str]) -> type[S]:
    """`cls` as if the groups named had no say: for finding the faults of the rest."""
    ignored: dict[str, Any] = dict.fromkeys(unusable, (Any, None))
    return create_model(cls.__name__, __base__=cls, **ignored) if ignored else cls


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
