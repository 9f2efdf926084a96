"""Settings come from the environment, are checked once at start-up, and are passed in; nothing reads them globally.

A service's settings are one class; shared groups (Kafka, database, HTTP…) are fields whose type is another settings class.
Every field has a `description`: it is the text of `--help` and of the README's table. What else is to be known of it stands in
its `About`, and on docs/operations/settings.md.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any, NoReturn, TypeVar

from pydantic import AfterValidator, BeforeValidator, SecretStr, ValidationError, create_model
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsError

from tocsin.contracts.vocabulary import Lane
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
    """The environment does not make valid settings; `faults` holds a sentence for each reason. Correct them and start again.

    `valid` are the parts that are: whole settings and groups, or a class of the fields that are valid by themselves.
    """

    def __init__(self, faults: list[str], valid: Sequence[BaseSettings] = ()) -> None:
        super().__init__(" ".join(faults))
        self.faults = faults
        self.valid = tuple(valid)


class GroupRefused(AttributeError):
    """Something was asked of a group that is not valid."""


class _Refused:
    """Stands where a group is not valid, while the rest is looked at."""

    def __getattr__(self, name: str) -> NoReturn:
        raise GroupRefused(name)


def read_settings(cls: type[S]) -> S:
    """The settings of the environment. Raises `SettingsInvalid` with the faults of all groups together."""
    faults: list[str] = []
    valid: list[BaseSettings] = []
    groups: dict[str, Any] = {}
    for name, group in groups_of(cls).items():
        try:
            groups[name] = read_settings(group)
        except SettingsInvalid as invalid:
            faults += invalid.faults
            valid += invalid.valid
    try:
        settings = _without(cls, groups_of(cls).keys() - groups.keys())(**groups)
    except ValidationError as error:
        told = error.errors(include_url=False, include_input=False)
        faults += [_sentence(cls, fault) for fault in told]
        valid += [*groups.values(), *_fields_alone(cls, {_field_of(cls, fault) for fault in told})]
    except SecretFilesUnusable as unusable:
        faults += unusable.faults
        valid += [*groups.values(), *_fields_alone(cls, set())]
    except SettingsError as error:
        faults.append(f"{error}.")
        valid += groups.values()
    else:
        faults += _examples(cls, settings)
        if not faults:
            return settings
        valid.append(settings)
    raise SettingsInvalid(faults, valid)


def _fields_alone(cls: type[BaseSettings], faulty: set[str | None]) -> list[BaseSettings]:
    """The fields of its own that are valid, without what the class asks of them together, and without secrets."""
    fields: dict[str, Any] = {
        name: (field.annotation, field)
        for name, field in own_fields(cls).items()
        if name not in faulty and not is_secret(field)
    }
    base: Any = type(
        cls.__name__, (Settings,), {"model_config": cls.model_config, "__module__": cls.__module__}
    )
    try:
        return [create_model(cls.__name__, __base__=base, **fields)()]
    except (ValidationError, SettingsError, SecretFilesUnusable):
        return []


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
    ignored: dict[str, Any] = dict.fromkeys(unusable, (Any, _Refused()))
    return create_model(cls.__name__, __base__=cls, **ignored) if ignored else cls


def _sentence(cls: type[BaseSettings], fault: ErrorDetails) -> str:
    if not fault["loc"]:
        return f"{_what(fault)}."
    name = _field_of(cls, fault)
    variable = variable_of(cls, name) if name else str(fault["loc"][0]).upper()
    meaning = cls.model_fields[name].description if name else None
    if fault["type"] == "missing":
        return f"{variable} is not set; set it to: {meaning or 'a value'}."
    return (
        f"{variable} is not valid: {_what(fault)}; it means: {meaning}."
        if meaning
        else f"{variable} is not valid: {_what(fault)}."
    )


def _field_of(cls: type[BaseSettings], fault: ErrorDetails) -> str | None:
    """The field that a fault is about: pydantic names it so, or by its variable. None: it is about several."""
    first = str(fault["loc"][0]) if fault["loc"] else ""
    return next(
        (name for name in cls.model_fields if first == name or variable_of(cls, name) == first.upper()), None
    )


def _what(fault: ErrorDetails) -> str:
    text = fault["msg"].removeprefix("Value error, ").removesuffix(".")
    return text[:1].lower() + text[1:] if text[1:2].islower() else text
