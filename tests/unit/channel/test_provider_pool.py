"""Provider instances: the file, its faults in words, and what a change of it does."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from tocsin.channel import (
    Accepted,
    Ambiguous,
    Answer,
    InstanceConfig,
    NotSent,
    ProviderKind,
    ProvidersInvalid,
    SecretFile,
    TargetedConfig,
)
from tocsin.channel.provider_pool import ProviderPool
from tocsin.channel.retry_policy import Try
from tocsin.contracts.jobs import Job
from tocsin.contracts.vocabulary import Channel, Lane, Reason
from tocsin.runtime import Clock, Health
from tocsin.testing.jobs import job_for


class PigeonConfig(InstanceConfig):
    loft: str
    birds: int = Field(default=1, ge=1)
    ring_file: SecretFile | None = None


class CarrierConfig(PigeonConfig, TargetedConfig):
    """A pigeon that knows more than one kind of address."""


class Pigeon:
    """A provider that remembers its life."""

    def __init__(self, config: PigeonConfig, clock: Clock) -> None:
        self.config, self.name = config, config.name
        self.log: list[str] = []

    async def open(self) -> None:
        self.log.append("open")

    async def send(self, job: Job) -> Answer:
        return Accepted()

    async def close(self) -> None:
        self.log.append("close")


UNREACHABLE = NotSent(reason=Reason.UNREACHABLE)
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


def pool(path: Path, kinds: Mapping[str, ProviderKind[Any]] = KINDS) -> ProviderPool:
    return ProviderPool(
        channel=Channel.EMAIL,
        path=path,
        kinds=kinds,
        lanes=list(Lane),
        max_unrecorded=8,
        health=Health(service="test"),
        poll_seconds=0.01,
    )


def pigeon(providers: ProviderPool, name: str) -> Pigeon:
    instance = providers.choose(job_for(Channel.EMAIL, providers=[name]))
    assert instance is not None
    provider = instance._provider
    assert isinstance(provider, Pigeon)
    return provider


@pytest.mark.parametrize(
    ("test", "named", "tried", "chosen"),
    [
        (False, [], [], "first"),
        (False, ["second"], [], "second"),
        (False, ["elsewhere", "second", "first"], [], "second"),
        (False, ["elsewhere"], [], None),
        (True, ["elsewhere"], [], "sandbox"),
        (False, [], [Try("second", UNREACHABLE)], "first"),
        (False, [], [Try("first", Ambiguous())], "first"),
        (False, ["second"], [Try("first", Ambiguous()), Try("first", UNREACHABLE)], None),
        (True, [], [Try("sandbox", Ambiguous())], "sandbox"),
    ],
)
async def test_what_is_chosen(
    tmp_path: Path, test: bool, named: list[str], tried: list[Try], chosen: str | None
) -> None:
    """Test jobs go to the sandbox, others to the first they name that exists; after an ambiguous answer to nobody else."""
    providers = pool(write(tmp_path / "providers.toml", TWO))
    await providers.open()
    instance = providers.choose(job_for(Channel.EMAIL, providers=named, test=test), tried, attempt=2)
    assert (None if instance is None else instance.name) == chosen
    await providers.close()


@pytest.mark.parametrize(
    ("head", "named", "asked"),
    [
        ("", [], ["first"]),
        ("", ["second", "elsewhere", "first"], ["second", "first"]),
        ('order = ["second", "first"]', [], ["second", "first"]),
        ('order = ["second"]', [], ["second"]),
        ('order = ["second"]', ["first"], ["first"]),
        ("weights = { second = 1 }", [], ["second"]),
        ("weights = { second = 1, first = 1000 }", [], ["first", "second"]),
    ],
)
async def test_who_is_asked_one_after_the_other(
    tmp_path: Path, head: str, named: list[str], asked: list[str]
) -> None:
    """Without order or weights, and without names, one alone: an account that others pay for is used by nobody who does not name it."""
    providers = pool(write(tmp_path / "providers.toml", head + TWO))
    await providers.open()
    job, tries = job_for(Channel.EMAIL, providers=named), list[Try]()
    while (instance := providers.choose(job, tries)) is not None:
        tries.append(Try(instance.name, UNREACHABLE))
    assert [attempt.provider for attempt in tries] == asked
    await providers.close()


async def test_a_changed_order_is_a_change(tmp_path: Path) -> None:
    path = write(tmp_path / "providers.toml", TWO)
    providers = pool(path)
    await providers.open()
    kept = pigeon(providers, "second")
    write(path, 'order = ["second", "first"]' + TWO)
    await providers.reload()
    instance = providers.choose(job_for(Channel.EMAIL))
    assert instance is not None
    assert instance._provider is kept
    await providers.close()


FLOCK = """
[[providers]]
name = "both"
kind = "carrier"
loft = "north"

[[providers]]
name = "one"
kind = "carrier"
loft = "south"
targets = ["apns"]
"""


@pytest.mark.parametrize(
    ("target", "named", "chosen"),
    [
        ("fcm", [], "both"),
        ("apns", [], "both"),
        ("apns", ["one", "both"], "one"),
        ("fcm", ["one", "both"], "both"),
        ("fcm", ["one"], Reason.TARGET_UNSERVED),
        ("smoke", [], Reason.TARGET_UNSERVED),
        ("fcm", ["elsewhere"], Reason.PROVIDER_UNKNOWN),
    ],
)
async def test_the_target_chooses_before_the_order_does(
    tmp_path: Path, target: str, named: list[str], chosen: str
) -> None:
    kinds = {"carrier": ProviderKind(config=CarrierConfig, create=Pigeon, targets=frozenset({"fcm", "apns"}))}
    providers = pool(write(tmp_path / "providers.toml", FLOCK), kinds=kinds)
    await providers.open()
    job = job_for(Channel.PUSH, target=target, providers=named)
    instance = providers.choose(job)
    assert (providers.why_nobody(job).reason if instance is None else instance.name) == chosen
    assert providers.choose(job_for(Channel.PUSH, target=target, test=True)) is providers._sandbox
    await providers.close()


def test_an_instance_may_not_promise_what_its_kind_cannot_serve(tmp_path: Path) -> None:
    kinds = {"carrier": ProviderKind(config=CarrierConfig, create=Pigeon, targets=frozenset({"fcm"}))}
    sentence = r"provider one: `targets` may name only what this kind serves: fcm\.$"
    with pytest.raises(ProvidersInvalid, match=sentence):
        pool(write(tmp_path / "providers.toml", FLOCK), kinds=kinds)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("", ["must hold tables [[providers]], at least one, and besides only `order` or `weights`."]),
        (
            "provider = 1",
            ["must hold tables [[providers]], at least one, and besides only `order` or `weights`."],
        ),
        (
            'order = ["first"]\nweights = { first = 1 }' + TWO,
            ["give `order` or `weights`, not both."],
        ),
        ("order = []" + TWO, ["`order` must list names of providers, at least one, each once."]),
        ('order = ["first", "first"]' + TWO, ["`order` must list names of providers"]),
        ('order = ["first", "third"]' + TWO, ["`order` names 'third', and no provider is called so."]),
        ("weights = { third = 1 }" + TWO, ["`weights` names 'third', and no provider is called so."]),
        ("weights = { first = 0 }" + TWO, ["a whole number from 1 to 1000 each"]),
        ("weights = { first = true }" + TWO, ["a whole number from 1 to 1000 each"]),
        ('weights = ["first"]' + TWO, ["a whole number from 1 to 1000 each"]),
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
        (
            '[[providers]]\nname = "a"\nkind = "pigeon"\nloft = "n"\nring_file = "example"',
            ["example holds the example's secret: put one of your own there."],
        ),
        (TWO.replace('"second"', '"first"'), ["the name 'first' stands twice; names must differ."]),
    ],
)
def test_faults_are_sentences_that_name_file_provider_and_field(
    tmp_path: Path, text: str, sentences: list[str]
) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "example").write_text("replace-me\n")
    path = write(tmp_path / "providers.toml", text)
    with pytest.raises(ProvidersInvalid) as invalid:
        pool(path)
    for sentence in sentences:
        assert sentence in str(invalid.value)
    for fault in invalid.value.faults:
        assert str(path) in fault
        assert fault.endswith(".")


def test_an_absent_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ProvidersInvalid, match="cannot be read: No such file or directory"):
        pool(tmp_path / "absent.toml")


def test_faults_do_not_repeat_values(tmp_path: Path) -> None:
    text = '[[providers]]\nname = "a"\nkind = "pigeon"\nloft = 1\nring = "s3cret"\nbirds = "hunter2"'
    with pytest.raises(ProvidersInvalid) as invalid:
        pool(write(tmp_path / "providers.toml", text))
    assert "s3cret" not in str(invalid.value)
    assert "hunter2" not in str(invalid.value)


async def test_secrets_are_read_from_files_beside_and_never_shown(tmp_path: Path) -> None:
    (tmp_path / "ring").write_text("s3cret\n")
    text = '[[providers]]\nname = "a"\nkind = "pigeon"\nloft = "n"\nring_file = "ring"'
    providers = pool(write(tmp_path / "providers.toml", text))
    await providers.open()
    config = pigeon(providers, "a").config
    assert config.ring_file is not None
    assert config.ring_file.get_secret_value() == "s3cret"
    assert "s3cret" not in repr(config)
    await providers.close()


async def test_a_change_replaces_what_differs_and_keeps_the_rest(tmp_path: Path) -> None:
    path = write(tmp_path / "providers.toml", TWO)
    providers = pool(path)
    await providers.open()
    kept, replaced = pigeon(providers, "first"), pigeon(providers, "second")
    write(path, TWO.replace("birds = 3", "birds = 4"))
    await providers.reload()
    assert pigeon(providers, "first") is kept
    assert pigeon(providers, "second") is not replaced
    await providers.close()
    assert (replaced.log, kept.log) == (["open", "close"], ["open", "close"])


async def test_a_changed_secret_is_a_change(tmp_path: Path) -> None:
    ring = write(tmp_path / "ring", "one")
    text = '[[providers]]\nname = "a"\nkind = "pigeon"\nloft = "n"\nring_file = "ring"'
    providers = pool(write(tmp_path / "providers.toml", text))
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
    providers = pool(path)
    await providers.open()
    former = pigeon(providers, "second")
    write(path, "[[providers")
    await providers.reload()
    assert pigeon(providers, "second") is former
    write(path, TWO.replace('name = "second"', 'name = "third"'))
    await providers.reload()
    assert pigeon(providers, "third").name == "third"
    assert providers.choose(job_for(Channel.EMAIL, providers=["second"])) is None
    await providers.close()


async def test_one_that_cannot_open_leaves_none_open_that_came_with_it_and_all_former_ones(
    tmp_path: Path,
) -> None:
    made: list[Pigeon] = []

    class Shy(Pigeon):
        async def open(self) -> None:
            await super().open()
            made.append(self)
            if self.config.loft == "nowhere":
                raise OSError("no such loft")

    path = write(tmp_path / "providers.toml", TWO)
    providers = pool(path, {"pigeon": ProviderKind(config=PigeonConfig, create=Shy)})
    await providers.open()
    former = pigeon(providers, "first")
    write(path, TWO.replace("north", "east").replace("south", "nowhere"))
    with pytest.raises(OSError, match="no such loft"):
        await providers.reload()
    assert [(provider.config.loft, provider.log) for provider in made] == [
        ("north", ["open"]),
        ("south", ["open"]),
        ("east", ["open", "close"]),
        ("nowhere", ["open", "close"]),
    ]
    assert pigeon(providers, "first") is former
    await providers.close()


async def test_a_change_is_noticed_while_running(tmp_path: Path) -> None:
    path = write(tmp_path / "providers.toml", TWO)
    providers = pool(path)
    await providers.open()
    stop = asyncio.Event()
    running = asyncio.create_task(providers.run(stop))
    write(path, TWO.replace('name = "second"', 'name = "third"'))
    async with asyncio.timeout(10):
        while providers.choose(job_for(Channel.EMAIL, providers=["third"])) is None:  # noqa: ASYNC110 - the pool tells nobody
            await asyncio.sleep(0.01)
    stop.set()
    await running
    await providers.close()
