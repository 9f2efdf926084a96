"""How provider instances are configured: one TOML file of a dispatcher's own.

    [[providers]]
    name = "primary"          # what tenants and metrics call it
    kind = "smtp"             # which adapter; the other fields are the adapter's
    host = "smtp.example.com"
    username = "tocsin"
    password_file = "/run/secrets/smtp-password"

Above them may stand which are tried for tenants that name none, in which order or how often as the first:

    order = ["primary", "backup"]
    weights = { primary = 3, backup = 1 }   # or this

Without either it is the first one that serves the message's target, and no other. Secrets stand in files of their own, named by
`*_file` (relative to this file), so that this file can be shown and kept in version control.
"""

import re
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, Generic, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import ErrorDetails

from tocsin.channel.provider import Provider
from tocsin.channel.rates import NO_LIMITS, Rates
from tocsin.runtime import Clock, OperatorError
from tocsin.runtime.settings import EXAMPLE

_LARGEST_WEIGHT = 1000
_ONE_WORD = re.compile(r"[!-~]+")
INSTANCE_NAME: Final = r"^[a-z0-9][a-z0-9-]{0,62}$"
RECEIPTS: Final = "receipts"
"""The table of an instance that only the role `callbacks` reads: its secrets need not lie where messages are sent."""
FileState = tuple[int, int, int, int]
FileStates = dict[Path, FileState | None]
"""Files that were read, each with its `file_state` just before."""


def file_state(path: Path) -> FileState | None:
    """What differs once the file is written, replaced or gone, or once somebody else may read it."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino


def _read_secret(value: Any, info: ValidationInfo) -> Any:
    if not isinstance(value, str):
        return value
    context = info.context or {}
    path = context.get("folder", Path()) / value
    context.get("states", {})[path] = file_state(path)
    try:
        text = path.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text file") from error
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error
    if not text:
        raise ValueError(f"{path} is empty")
    if EXAMPLE in text:
        raise ValueError(f"{path} holds the example's secret: put one of your own there")
    return SecretStr(text)


SecretFile = Annotated[SecretStr, BeforeValidator(_read_secret)]
"""A field that names a file and holds what the file holds, without white space at its ends. Name such fields `*_file`."""


def one_word(secret: SecretStr) -> SecretStr:
    """The secret, for headers; a ValueError where it is no single word of ASCII. For validators of `SecretFile`."""
    if not _ONE_WORD.fullmatch(secret.get_secret_value()):
        raise ValueError("the file must hold a single word, and nothing else")
    return secret


class InstanceConfig(BaseModel):
    """What every kind of provider can be told. Adapters subclass it; unknown fields are faults."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=INSTANCE_NAME)
    kind: str
    max_in_flight: int = Field(default=64, ge=1, le=10_000)
    """Calls at once, and connections kept."""
    call_timeout: float = Field(default=7.0, gt=0, lt=30)
    """Seconds for one call, waiting for a connection included. The lane bounds it too: 8 s on the critical one."""
    connect_timeout: float | None = Field(default=None, gt=0, lt=30)
    """Seconds of them for connecting, TLS and login; half of them by default."""
    rate: float | None = Field(default=None, gt=0, le=100_000)
    """Messages a second, of all the dispatcher's processes together."""
    burst: int | None = Field(default=None, ge=1, le=100_000)
    """Messages at once after a pause; as many as in a second by default."""

    @model_validator(mode="after")
    def _makes_sense(self) -> "InstanceConfig":
        if self.burst is not None and self.rate is None:
            raise ValueError("`burst` belongs to a `rate`")
        if self.connect_timeout is not None and self.connect_timeout > self.call_timeout:
            raise ValueError("`connect_timeout` is longer than `call_timeout`, which bounds the whole call")
        return self

    @property
    def connecting(self) -> float:
        """Seconds for connecting."""
        return self.call_timeout / 2 if self.connect_timeout is None else self.connect_timeout

    @property
    def certificate(self) -> Path | None:
        """The file of certificates whose end /metrics shows."""
        return None

    def rates(self, processes: int) -> Rates:
        """The limits of one of so many processes."""
        if self.rate is None:
            return NO_LIMITS
        rate = self.rate / processes
        burst = rate if self.burst is None else self.burst / processes
        return Rates(rate=rate, burst=max(1.0, burst))


class SenderConfig(InstanceConfig):
    """For kinds of a channel whose tenants have sender identities."""

    rate_per_sender: float | None = Field(default=None, gt=0, le=100_000)
    """Messages a second of each sender identity, of all the dispatcher's processes together."""

    def rates(self, processes: int) -> Rates:
        limits = super().rates(processes)
        if self.rate_per_sender is None:
            return limits
        return replace(limits, rate_per_sender=self.rate_per_sender / processes)


class TargetedConfig(InstanceConfig):
    """For kinds of a channel whose jobs name a target."""

    targets: tuple[str, ...] | None = Field(default=None, min_length=1)
    """Which of its kind's targets it serves, such as `fcm`. None: all of them."""


C = TypeVar("C", bound=InstanceConfig)


class Idempotency(StrEnum):
    """What a second send of the same delivery does at a provider. One that knows idempotency keys needs a word of its own here."""

    ONCE = "once"
    """It changes nothing: the provider knows the delivery by its id."""
    COLLAPSE = "collapse"
    """It replaces the first where it is shown."""
    NONE = "none"
    """It arrives a second time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderKind(Generic[C]):
    """One adapter: how it is configured, and how a provider is made. `create` must not connect, and not raise."""

    config: type[C]
    create: Callable[[C, Clock], Provider]
    idempotency: Idempotency = Idempotency.NONE
    targets: frozenset[str] = frozenset()
    """The targets of jobs that the adapter can serve. Empty where the channel's jobs name none."""
    title: str | None = None
    """What people call the provider, in the table of what each can do; its kind by default."""
    limit: str | None = None
    """How much it takes in one message, in words for that table."""
    actions: str = "none"
    """What a message shows of its template's actions, in words for that table, such as `3 buttons`."""
    attachments: str = "none"
    """What a message may bring along beside its text, in words for that table."""

    def served_by(self, config: InstanceConfig) -> frozenset[str]:
        """The targets that an instance serves."""
        if isinstance(config, TargetedConfig) and config.targets is not None:
            return frozenset(config.targets)
        return self.targets


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvidersFile:
    """What the file says. At most one of `order` and `weights` is not empty."""

    configs: dict[str, InstanceConfig]
    order: tuple[str, ...] = ()
    weights: Mapping[str, int] = field(default_factory=dict)


class ProvidersInvalid(OperatorError):
    """The file of provider instances cannot be used; `faults` has a sentence for each reason. Mend the file."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__(" ".join(faults))
        self.faults = list(faults)


def check_providers(path: Path, kinds: Mapping[str, ProviderKind[Any]]) -> None:
    """Raise ProvidersInvalid unless the file can be used."""
    read_providers(path, kinds, {})


def usable_providers(path: Path, kinds: Mapping[str, ProviderKind[Any]]) -> Path:
    """`path`, or a ValueError with every fault: for the validator of a settings field, so that start-up says it."""
    try:
        check_providers(path, kinds)
    except ProvidersInvalid as invalid:
        raise ValueError(str(invalid)) from invalid
    return path


def read_providers(path: Path, kinds: Mapping[str, ProviderKind[Any]], states: FileStates) -> ProvidersFile:
    """What the file says, or ProvidersInvalid. Fills `states` even where it raises."""
    states[path] = file_state(path)
    document = providers_document(path)
    faults: list[str] = []
    configs: list[InstanceConfig] = []
    for position, entry in enumerate(document["providers"], 1):
        where = f"{path}: provider {entry.get('name', position)!s}"
        kind = kinds.get(str(entry.get("kind")))
        if kind is None:
            faults.append(f"{where}: `kind` must be one of {', '.join(sorted(kinds))}.")
            continue
        try:
            own = {name: value for name, value in entry.items() if name != RECEIPTS}
            config = kind.config.model_validate(own, context={"folder": path.parent, "states": states})
            configs.append(config)
            if not kind.served_by(config) <= kind.targets:
                possible = ", ".join(sorted(kind.targets))
                faults.append(f"{where}: `targets` may name only what this kind serves: {possible}.")
        except ValidationError as error:
            details = error.errors(include_url=False, include_input=False)
            faults += [f"{where}: {fault_sentence(fault)}" for fault in details]
    names = [config.name for config in configs]
    faults += [
        f"{path}: the name {name!r} stands twice; names must differ."
        for name in sorted({name for name in names if names.count(name) > 1})
    ]
    order, weights = document.get("order", []), document.get("weights", {})
    known = {str(entry.get("name")) for entry in document["providers"]}
    faults += [f"{path}: {fault}" for fault in _faults_of_choice(document, known)]
    if faults:
        raise ProvidersInvalid(faults)
    return ProvidersFile(
        configs={config.name: config for config in configs}, order=tuple(order), weights=weights
    )


def _faults_of_choice(document: Mapping[str, Any], known: Collection[str]) -> Iterator[str]:
    """What is wrong with `order` and `weights`."""
    order, weights = document.get("order"), document.get("weights")
    if order is not None and weights is not None:
        yield "give `order` or `weights`, not both."
    if order is not None and not (
        isinstance(order, list) and order and len({*map(str, order)}) == len(order)
    ):
        yield "`order` must list names of providers, at least one, each once."
    elif weights is not None and not (
        isinstance(weights, dict) and weights and all(_is_weight(weight) for weight in weights.values())
    ):
        yield (
            "`weights` must give names of providers a whole number from 1 to 1000 each; leave out what is not to be used."
        )
    else:
        for name in order or weights or ():
            if name not in known:
                where = "order" if order else "weights"
                yield f"`{where}` names {name!r}, and no provider is called so."


def _is_weight(value: object) -> bool:
    return type(value) is int and 1 <= value <= _LARGEST_WEIGHT


def providers_document(path: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ProvidersInvalid([f"{path} cannot be read: {error.strerror}."]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProvidersInvalid([f"{path} is not TOML: {error}."]) from error
    entries = document.get("providers")
    if (
        document.keys() - {"order", "weights"} != {"providers"}
        or not isinstance(entries, list)
        or not entries
    ):
        raise ProvidersInvalid(
            [f"{path} must hold tables [[providers]], at least one, and besides only `order` or `weights`."]
        )
    if not all(isinstance(entry, dict) for entry in entries):
        raise ProvidersInvalid([f"{path}: every provider must be a table [[providers]]."])
    return document


def fault_sentence(fault: ErrorDetails) -> str:
    """One fault in words, never with the value: it may be a secret."""
    name = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "missing":
        return f"`{name}` is missing."
    if fault["type"] == "extra_forbidden":
        return f"`{name}` is no setting of this kind of provider."
    text = fault["msg"].removeprefix("Value error, ").removesuffix(".")
    return f"`{name}` is not valid: {text}." if name else f"{text}."
