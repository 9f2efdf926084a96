"""An account at a provider that speaks HTTP: a server of ours, and instances that call it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Self

import pytest

from tocsin.channel import Provider, ProviderKind, ProvidersInvalid, check_providers
from tocsin.testing import ManualClock
from tocsin.testing.http_world import HttpWorld

NOW = datetime(2026, 1, 1, 12, 30, tzinfo=UTC)


class ProviderAccount(HttpWorld):
    """`entry` is what its instance has in the providers file, `secrets` what stands in the files that it names."""

    kind: ClassVar[ProviderKind[Any]]
    entry: ClassVar[Mapping[str, object]]
    secrets: ClassVar[Mapping[str, str]]

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.clock = ManualClock(NOW)
        self.folder = folder
        for name, secret in self.secrets.items():
            (folder / name).write_text(secret + "\n")

    @classmethod
    @asynccontextmanager
    async def listening(cls, folder: Path) -> AsyncIterator[Self]:
        """The server, until the test ends."""
        server = cls(folder)
        await server.listen()
        try:
            yield server
        finally:
            await server.hang_up()

    def unopened(self, **fields: object) -> Provider:
        """An instance that calls this server; `fields` replace its own, None takes one away."""
        given = {"name": "test", "base_url": self.url, **self.entry, **fields}
        entry = {name: value for name, value in given.items() if value is not None}
        config = self.kind.config.model_validate(entry, context={"folder": self.folder})
        return self.kind.create(config, self.clock)

    @asynccontextmanager
    async def provider(self, *, call_timeout: float = 10.0, **fields: object) -> AsyncIterator[Provider]:
        provider = self.unopened(call_timeout=call_timeout, **fields)
        await provider.open()
        try:
            yield provider
        finally:
            await provider.close()


def assert_invalid(
    folder: Path, kind: str, adapter: ProviderKind[Any], *, lines: str, secret: tuple[str, str], sentence: str
) -> None:
    """A file with one instance of these lines has one fault, which this sentence tells; the secret (its file, its content) is not told."""
    name, content = secret
    (folder / name).write_text(content)
    path = folder / "providers.toml"
    path.write_text(f'[[providers]]\nname = "a"\nkind = "{kind}"\n{lines}\n')
    with pytest.raises(ProvidersInvalid) as invalid:
        check_providers(path, {kind: adapter})
    assert sentence in str(invalid.value)
    assert len(invalid.value.faults) == 1
    assert content == "" or content not in str(invalid.value)
