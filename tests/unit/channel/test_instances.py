"""Provider instances: the file, its faults in words, and what a change of it does."""

import asyncio
import os
from pathlib import Path

import pytest
from pydantic import Field

from tocsin.channel import Accepted, Answer
from tocsin.channel.instances import InstanceConfig, ProviderKind, ProvidersInvalid, Registry, SecretFile
from tocsin.contracts.jobs import Job
from tocsin.contracts.vocabulary import Channel
from tocsin.runtime import Clock
from tocsin.testing.jobs import job_for


class PigeonConfig(InstanceConfig):
    loft: str
    birds: int = Field(default=1, ge=1)
    ring_file: SecretFile | None = None


class Pigeon:
    """A provider that remembers its life, and holds every message until let go."""

    def __init__(self, config: PigeonConfig, clock: Clock) -> None:
        self.config, self.name, self.kind = config, config.name, config.kind
        self.log: list[str] = []
        self.arrived, self.let_go = asyncio.Event(), asyncio.Event()

    async def open(self) -> None:
        self.log.append("open")

    async def send(self, job: Job) -> Answer:
        self.arrived.set()
        await self.let_go.wait()
        self.log.append("sent")
        return Accepted()

    async def close(self) -> None:
        self.log.append("close")


KINDS = {"pigeon": ProviderKind(config=PigeonConfig, create=Pigeon)}
TWO = """
[[providers]]
name = "first"
kind = "pigeon"
loft = "north"

[[providers]]
name = "second"
kind = "pigeon"
loft = "south"
birds = 3
"""


def write(path: Path, text: str) -> Path:
    """Later than any former version, whatever the file system's clock is worth."""
    before = path.stat().st_mtime_ns if path.exists() else 0
    path.write_text(text)
    os.utime(path, ns=(before + 10**9, before + 10**9))
    return path


def registry(path: Path) -> Registry:
    return Registry(path=path, kinds=KINDS, poll_seconds=0.01)


def pigeon(registry: Registry, name: str) -> Pigeon:
    found = registry.of([name])
    assert found is not None
    provider = found._provider
    assert isinstance(provider, Pigeon)
    return provider


async def test_names_are_looked_up_in_order_and_the_first_is_the_default(tmp_path: Path) -> None:
    providers = registry(write(tmp_path / "providers.toml", TWO))
    await providers.open()

    def named(*names: str) -> str | None:
        found = providers.of(names)
        return None if found is None else found.name

    assert named() == "first"
    assert named("second") == "second"
    assert named("elsewhere", "second", "first") == "second"
    assert named("elsewhere") is None
    await providers.close()


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("", ["must hold tables [[providers]], at least one, and nothing else."]),
        ("provider = 1", ["must hold tables [[providers]], at least one, and nothing else."]),
        ("[[providers", ["is not TOML"]),
        ('[[providers]]\nname = "a"\nkind = "owl"', ["provider a: `kind` must be one of pigeon."]),
        (
            '[[providers]]\nname = "A B"\nkind = "pigeon"\nbirds = 0\ncage = 1',
            [
                "`name` is not valid",
                "`loft` is missing.",
                "`birds` is not valid",
                "`cage` is no setting of this kind",
            ],
        ),
        (
            '[[providers]]\nname = "a"\nkind = "pigeon"\nloft = "n"\nring_file = "absent"',
            ["`ring_file` is not valid", "absent cannot be read: No such file or directory."],
        ),
        (
            '[[providers]]\nname = "a"\nkind = "pigeon"\nloft = "n"\nring_file = "empty"',
            ["empty is empty."],
        ),
        (TWO.replace('"second"', '"first"'), ["the name 'first' stands twice; names must differ."]),
    ],
)
def test_faults_are_sentences_that_name_file_provider_and_field(
    tmp_path: Path, text: str, sentences: list[str]
) -> None:
    (tmp_path / "empty").write_text("\n")
    path = write(tmp_path / "providers.toml", text)
    with pytest.raises(ProvidersInvalid) as invalid:
        registry(path)
    for sentence in sentences:
        assert sentence in str(invalid.value)
    for fault in invalid.value.faults:
        assert str(path) in fault
        assert fault.endswith(".")


def test_an_absent_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ProvidersInvalid, match="cannot be read: No such file or directory"):
        registry(tmp_path / "absent.toml")


def test_faults_do_not_repeat_values(tmp_path: Path) -> None:
    text = '[[providers]]\nname = "a"\nkind = "pigeon"\nloft = 1\nring = "s3cret"\nbirds = "hunter2"'
    with pytest.raises(ProvidersInvalid) as invalid:
        registry(write(tmp_path / "providers.toml", text))
    assert "s3cret" not in str(invalid.value)
    assert "hunter2" not in str(invalid.value)


async def test_secrets_are_read_from_files_beside_and_never_shown(tmp_path: Path) -> None:
    (tmp_path / "ring").write_text("s3cret\n")
    text = '[[providers]]\nname = "a"\nkind = "pigeon"\nloft = "n"\nring_file = "ring"'
    providers = registry(write(tmp_path / "providers.toml", text))
    await providers.open()
    config = pigeon(providers, "a").config
    assert config.ring_file is not None
    assert config.ring_file.get_secret_value() == "s3cret"
    assert "s3cret" not in repr(config)
    await providers.close()


async def test_a_change_replaces_what_differs_after_its_calls_have_ended(tmp_path: Path) -> None:
    path = write(tmp_path / "providers.toml", TWO)
    providers = registry(path)
    await providers.open()
    kept, replaced = pigeon(providers, "first"), pigeon(providers, "second")
    found = providers.of(["second"])
    assert found is not None
    call = asyncio.create_task(found.send(job_for(Channel.EMAIL)))
    await replaced.arrived.wait()

    write(path, TWO.replace("birds = 3", "birds = 4"))
    await providers.reload()

    assert pigeon(providers, "first") is kept
    assert pigeon(providers, "second") is not replaced
    assert replaced.log == ["open"]
    replaced.let_go.set()
    assert await call == Accepted()
    await providers.close()
    assert replaced.log == ["open", "sent", "close"]
    assert kept.log == ["open", "close"]


async def test_a_changed_secret_is_a_change(tmp_path: Path) -> None:
    ring = write(tmp_path / "ring", "one")
    text = '[[providers]]\nname = "a"\nkind = "pigeon"\nloft = "n"\nring_file = "ring"'
    providers = registry(write(tmp_path / "providers.toml", text))
    await providers.open()
    former = pigeon(providers, "a")
    await providers.reload()
    assert pigeon(providers, "a") is former
    write(ring, "two")
    await providers.reload()
    assert pigeon(providers, "a") is not former
    await providers.close()


async def test_an_invalid_change_is_refused_until_it_is_mended(tmp_path: Path) -> None:
    path = write(tmp_path / "providers.toml", TWO)
    providers = registry(path)
    await providers.open()
    former = pigeon(providers, "second")
    write(path, "[[providers")
    await providers.reload()
    assert pigeon(providers, "second") is former
    write(path, TWO.replace('name = "second"', 'name = "third"'))
    await providers.reload()
    assert [instance.name for instance in providers.instances] == ["first", "third"]
    await providers.close()


async def test_a_change_is_noticed_while_running(tmp_path: Path) -> None:
    path = write(tmp_path / "providers.toml", TWO)
    providers = registry(path)
    await providers.open()
    stop = asyncio.Event()
    running = asyncio.create_task(providers.run(stop))
    write(path, TWO.replace('name = "second"', 'name = "third"'))
    async with asyncio.timeout(10):
        while providers.of(["third"]) is None:  # noqa: ASYNC110 - the registry tells nobody
            await asyncio.sleep(0.01)
    stop.set()
    await running
    await providers.close()
