"""Which provider instances take callbacks: those with a table `receipts` in the dispatcher's own file.

    [[providers]]
    name = "sendgrid"
    kind = "sendgrid"
    api_key_file = "key"                       # the dispatcher's; the role `callbacks` does not read it

    [providers.receipts]
    public_key_files = ["webhook-key.pem"]

A change of the file, or of a secret's file, takes effect within seconds. A file that became invalid is reported, and what was read
before stays.
"""

import asyncio
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from tocsin.channel.file_changes import read_again
from tocsin.channel.provider_config import (
    INSTANCE_NAME,
    RECEIPTS,
    FileStates,
    ProvidersInvalid,
    fault_sentence,
    file_state,
    providers_document,
)
from tocsin.channel.receipts import NOTED, Cause, Receipts, ReceiptsConfig, ReceiptsKinds
from tocsin.channel.ref import RefKey, Refs
from tocsin.contracts.vocabulary import RECEIPTS as TOLD
from tocsin.contracts.vocabulary import Channel
from tocsin.observability import get_logger, metrics
from tocsin.runtime import Clock, every

log = get_logger(__name__)

POLL_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Receiver:
    """One instance that takes callbacks."""

    name: str
    receipts: Receipts
    refs: Refs


def read_receivers(
    path: Path, kinds: ReceiptsKinds, states: FileStates, *, needed: bool = True
) -> dict[str, tuple[str, ReceiptsConfig]]:
    """Kind and settings of each instance that takes callbacks, by name; or ProvidersInvalid: also where there is none and one is `needed`.
    Fills `states` even where it raises."""
    states[path] = file_state(path)
    faults: list[str] = []
    configs: dict[str, tuple[str, ReceiptsConfig]] = {}
    for entry in providers_document(path)["providers"]:
        if RECEIPTS not in entry:
            continue
        name, kind = str(entry.get("name", "")), str(entry.get("kind"))
        where = f"{path}: provider {name}"
        if not re.fullmatch(INSTANCE_NAME, name):
            faults.append(f"{path}: an instance with `receipts` has no `name` of a-z, 0-9 and -.")
            continue
        if kind not in kinds:
            faults.append(
                f"{where}: `receipts` belongs to one of {', '.join(sorted(kinds))}; {kind} tells nothing."
            )
            continue
        if name in configs:
            faults.append(f"{path}: the name {name!r} stands twice; names must differ.")
        context = {"folder": path.parent, "states": states}
        try:
            configs[name] = kind, kinds[kind].config.model_validate(entry[RECEIPTS], context=context)
        except ValidationError as error:
            details = error.errors(include_url=False, include_input=False)
            faults += [f"{where}: receipts: {fault_sentence(fault)}" for fault in details]
    if needed and not (faults or configs):
        faults.append(f"{path}: no instance has a table [providers.receipts], so there is nothing to take.")
    if faults:
        raise ProvidersInvalid(faults)
    return configs


class Receivers:
    """A component: the instances by name. Reads the file when it is made: raises ProvidersInvalid."""

    name: Final = "receivers"

    def __init__(
        self,
        *,
        channel: Channel,
        path: Path,
        kinds: ReceiptsKinds,
        ref_keys: list[RefKey],
        clock: Clock,
        needed: bool = True,
    ) -> None:
        self._channel = channel
        self._kinds = kinds
        self._ref_keys = ref_keys
        self._clock = clock
        self._states: FileStates = {}
        self._configs: Mapping[str, tuple[str, ReceiptsConfig]] = {}
        self._receivers: dict[str, Receiver] = {}
        self._read = partial(read_receivers, path, kinds, needed=needed)
        self._use(self._read(self._states))

    def __getitem__(self, name: str) -> Receiver:
        """The instance of this name. Raises KeyError."""
        return self._receivers[name]

    def __iter__(self) -> Iterator[str]:
        """The names."""
        return iter(self._receivers)

    async def open(self) -> None:
        """Nothing to do: the file was read."""

    async def run(self, stop: asyncio.Event) -> None:
        """Look at the files until `stop`."""
        await every(POLL_SECONDS, self.reload, stop=stop)

    async def close(self) -> None:
        """Nothing to do: no connection is held."""

    async def reload(self) -> None:
        """Read the files again if one has changed. Faults are logged, once a change; what was in use stays."""
        configs, self._states = await read_again(self._read, self._states)
        if configs is None:
            return
        self._use(configs)
        log.info("providers reloaded", providers=list(configs))

    def _use(self, configs: Mapping[str, tuple[str, ReceiptsConfig]]) -> None:
        """What has not changed is kept, with what it remembers of tokens that came."""
        former, self._configs = self._configs, configs
        self._receivers = {
            name: self._receivers[name] if former.get(name) == config else self._made(name, *config)
            for name, config in configs.items()
        }
        causes = set(Cause) - {Cause.INSTANCE}
        metrics.begin_at_zero(metrics.receipts, [self._channel], configs, [*TOLD, NOTED])
        metrics.begin_at_zero(metrics.receipts_refused, [self._channel], configs, causes)

    def _made(self, name: str, kind: str, config: ReceiptsConfig) -> Receiver:
        refs = Refs(self._ref_keys, channel=self._channel, instance=name)
        return Receiver(name, self._kinds[kind].create(config, self._clock), refs)
