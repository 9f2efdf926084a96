"""Provider instances: a dispatcher's own configuration, one TOML file, read at start and again whenever it changes.

    [[providers]]
    name = "primary"          # what tenants and metrics call it
    kind = "smtp"             # which adapter; the other fields are the adapter's
    host = "smtp.example.com"
    username = "tocsin"
    password_file = "/run/secrets/smtp-password"

The first is the default. Secrets stand in files of their own, named by `*_file` (relative to this file), so that this
file can be shown and kept in version control. A change of either takes effect within `poll_seconds`; sends under way end
with what they began with. A file that has become invalid is reported and the former configuration stays.
"""

import asyncio
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, ValidationInfo
from pydantic_core import ErrorDetails

from tocsin.channel.answers import Answer
from tocsin.channel.provider import Provider
from tocsin.contracts.jobs import Job
from tocsin.observability import get_logger
from tocsin.runtime import Clock, OperatorError, SystemClock

log = get_logger(__name__)


Seen = dict[Path, tuple[int, int, int] | None]
"""Files that were read, each with its state just before: it differs once the file is written, replaced or gone."""


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _read_secret(value: Any, info: ValidationInfo) -> Any:
    if not isinstance(value, str):
        return value
    context = info.context or {}
    path = context.get("folder", Path()) / value
    context.get("seen", {})[path] = _state(path)
    try:
        text = path.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text file") from error
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error
    if not text:
        raise ValueError(f"{path} is empty")
    return SecretStr(text)


SecretFile = Annotated[SecretStr, BeforeValidator(_read_secret)]
"""A field that names a file and holds what the file holds, without white space at its ends. Name such fields `*_file`."""


class InstanceConfig(BaseModel):
    """What every kind of provider can be told. Adapters subclass it; unknown fields are faults."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    kind: str
    max_in_flight: int = Field(default=64, ge=1, le=10_000)
    """Calls at once, and connections kept."""
    call_timeout: float = Field(default=7.0, gt=0, lt=30)
    """Seconds for one call, waiting for a connection included. The lane bounds it too: 8 s on the critical one."""


C = TypeVar("C", bound=InstanceConfig)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderKind(Generic[C]):
    """One adapter: how it is configured, and how a provider is made. `create` must not connect, and not raise."""

    config: type[C]
    create: Callable[[C, Clock], Provider]


class ProvidersInvalid(OperatorError):
    """The file of provider instances cannot be used; `faults` has a sentence for each reason. Mend it and start again."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__(" ".join(faults))
        self.faults = list(faults)


class Instance:
    """A provider as the dispatcher holds it: counts its calls, so that it is closed only after the last has ended."""

    def __init__(self, config: InstanceConfig, provider: Provider) -> None:
        self.config = config
        self.name = config.name
        self.kind = config.kind
        self.idempotency: Literal["native", "collapse", "none"] = provider.idempotency
        self.max_in_flight = config.max_in_flight
        self._provider = provider
        self._calls = 0
        self._idle = asyncio.Event()

    async def open(self) -> None:
        """Prepare the provider."""
        await self._provider.open()

    async def send(self, job: Job) -> Answer:
        """The provider's answer."""
        self._calls += 1
        try:
            return await self._provider.send(job)
        finally:
            self._calls -= 1
            if not self._calls:
                self._idle.set()

    async def close(self) -> None:
        """Wait for the calls under way, then close."""
        while self._calls:
            self._idle.clear()
            await self._idle.wait()
        await self._provider.close()


class Registry:
    """The instances of one dispatcher, by name; a `tocsin.runtime.Component`.

    Reads the file when it is made: raises ProvidersInvalid.
    """

    name = "providers"

    def __init__(
        self,
        *,
        path: Path,
        kinds: Mapping[str, ProviderKind[Any]],
        clock: Clock | None = None,
        poll_seconds: float = 5.0,
    ) -> None:
        self._path = path
        self._kinds = kinds
        self._clock = clock or SystemClock()
        self._poll_seconds = poll_seconds
        self._seen: Seen = {}
        self._configs = _read(path, kinds, self._seen)
        self._instances: dict[str, Instance] = {}
        self._retired: set[asyncio.Task[None]] = set()

    @property
    def instances(self) -> list[Instance]:
        """Those in use, in the file's order."""
        return list(self._instances.values())

    def of(self, names: Sequence[str]) -> Instance | None:
        """The first of `names` that exists here; without names the default. None: `provider_unknown`."""
        if not names:
            return next(iter(self._instances.values()), None)
        return next((self._instances[name] for name in names if name in self._instances), None)

    async def open(self) -> None:
        """Open every instance."""
        await self._use(self._configs)

    async def run(self, stop: asyncio.Event) -> None:
        """Look at the files every `poll_seconds` until stopped."""
        while not stop.is_set():
            try:
                await asyncio.wait_for(stop.wait(), self._poll_seconds)
            except TimeoutError:
                await self.reload()

    async def close(self) -> None:
        """Close every instance once its calls have ended."""
        instances, self._instances = self._instances, {}
        await asyncio.gather(*(instance.close() for instance in instances.values()), *self._retired)

    async def reload(self) -> None:
        """Read the files again if one has changed. Faults are logged, once a change; what was in use stays."""
        if all(_state(path) == state for path, state in self._seen.items()):
            return
        seen: Seen = {}
        try:
            configs = await asyncio.to_thread(_read, self._path, self._kinds, seen)
        except ProvidersInvalid as invalid:
            log.error("providers file refused, the former one stays in use", faults=invalid.faults)  # noqa: TRY400 - the sentences say all
            return
        finally:
            self._seen = seen
        await self._use(configs)
        log.info("providers reloaded", providers=list(self._instances))

    async def _use(self, configs: Sequence[InstanceConfig]) -> None:
        """Instances whose configuration is the same, secrets included, keep their connections."""
        former = self._instances
        now: dict[str, Instance] = {}
        for config in configs:
            kept = former.get(config.name)
            if kept is not None and kept.config == config:
                now[config.name] = kept
                continue
            fresh = Instance(config, self._kinds[config.kind].create(config, self._clock))
            await fresh.open()
            now[config.name] = fresh
        self._instances = now
        for instance in former.values():
            if now.get(instance.name) is not instance:
                task = asyncio.create_task(instance.close())
                self._retired.add(task)
                task.add_done_callback(self._retired.discard)


def check_providers(path: Path, kinds: Mapping[str, ProviderKind[Any]]) -> None:
    """Raise ProvidersInvalid unless the file can be used."""
    _read(path, kinds, {})


def usable_providers(path: Path, kinds: Mapping[str, ProviderKind[Any]]) -> Path:
    """`path`, or a ValueError with every fault: for the validator of a settings field, so that start-up says it."""
    try:
        check_providers(path, kinds)
    except ProvidersInvalid as invalid:
        raise ValueError(str(invalid)) from invalid
    return path


def _read(path: Path, kinds: Mapping[str, ProviderKind[Any]], seen: Seen) -> list[InstanceConfig]:
    """The configurations in the file's order; fills `seen` even where it raises."""
    seen[path] = _state(path)
    faults: list[str] = []
    configs: list[InstanceConfig] = []
    for position, entry in enumerate(_entries(path), 1):
        where = f"{path}: provider {entry.get('name', position)!s}"
        kind = kinds.get(str(entry.get("kind")))
        if kind is None:
            faults.append(f"{where}: `kind` must be one of {', '.join(sorted(kinds))}.")
            continue
        try:
            configs.append(kind.config.model_validate(entry, context={"folder": path.parent, "seen": seen}))
        except ValidationError as error:
            details = error.errors(include_url=False, include_input=False)
            faults += [f"{where}: {_sentence(fault)}" for fault in details]
    names = [config.name for config in configs]
    faults += [
        f"{path}: the name {name!r} stands twice; names must differ."
        for name in sorted({name for name in names if names.count(name) > 1})
    ]
    if faults:
        raise ProvidersInvalid(faults)
    return configs


def _entries(path: Path) -> list[dict[str, Any]]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ProvidersInvalid([f"{path} cannot be read: {error.strerror}."]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProvidersInvalid([f"{path} is not TOML: {error}."]) from error
    entries = document.get("providers")
    if list(document) != ["providers"] or not isinstance(entries, list) or not entries:
        raise ProvidersInvalid([f"{path} must hold tables [[providers]], at least one, and nothing else."])
    if not all(isinstance(entry, dict) for entry in entries):
        raise ProvidersInvalid([f"{path}: every provider must be a table [[providers]]."])
    return entries


def _sentence(fault: ErrorDetails) -> str:
    """One fault in words, never with the value: it may be a secret."""
    name = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "missing":
        return f"`{name}` is missing."
    if fault["type"] == "extra_forbidden":
        return f"`{name}` is no setting of this kind of provider."
    text = fault["msg"].removeprefix("Value error, ").removesuffix(".")
    return f"`{name}` is not valid: {text}." if name else f"{text}."
