"""A channel is one line of `CHANNELS` and one folder: nothing else in `libs` and `services` names one.

Where a list outside the code has a line for each channel, a test here says which line is missing.
"""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tocsin.contracts.channels import ADDRESS_FIELDS, CHANNELS
from tocsin.contracts.vocabulary import Channel
from tocsin.dev import sample
from tocsin.dev.providers import write_providers
from tocsin.router.api.previews import Preview
from tocsin.router.api.templates import TemplateWrite
from tocsin.router.api.tenants import Senders

ROOT = Path(__file__).parents[3]
WORDS = {word for channel in Channel for word in (channel.value, channel.dispatcher)} | set(ADDRESS_FIELDS)
CONTENTS = {spec.content.__name__ for spec in CHANNELS.values()}

MAY_NAME_CHANNELS = {
    "libs/common/src/tocsin/contracts/channels.py": "the table itself",
    "libs/common/src/tocsin/contracts/contents.py": "the table's column of contents",
    "libs/common/src/tocsin/contracts/address_kinds.py": "the table's column of addresses",
    "libs/common/src/tocsin/contracts/vocabulary.py": "the enumeration that the table describes",
    "libs/common/src/tocsin/contracts/jobs.py": "hands the content types on to the dispatchers, whose folders read jobs",
    "services/router/src/tocsin/router/migrations/versions/0001_directory.py": "a migration is never changed: the columns of addresses",
}
"""File → why it may."""

every_channel = pytest.mark.parametrize("channel", Channel)


def names_in(path: Path) -> Iterator[str]:
    """Each place that names a channel: a member of `Channel`, a content type, or a text that is a name or an address field of one."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Attribute(value=ast.Name(id="Channel"), attr=name) if name in Channel.__members__:
                yield f"line {node.lineno}: Channel.{name}"
            case ast.Name(id=name) if name in CONTENTS:
                yield f"line {node.lineno}: {name}"
            case ast.ImportFrom(names=names, lineno=line):
                yield from (f"line {line}: {alias.name}" for alias in names if alias.name in CONTENTS)
            case ast.Constant(value=str() as text) if text in WORDS:
                yield f"line {node.lineno}: {text!r}"
            case _:
                pass


def own_folder(path: Path) -> bool:
    return any(path.is_relative_to(ROOT / "services" / channel.dispatcher) for channel in Channel)


def test_nothing_else_names_a_channel() -> None:
    naming = {
        str(path.relative_to(ROOT)): places
        for folder in ("libs", "services")
        for path in sorted((ROOT / folder).glob("*/src/**/*.py"))
        if not own_folder(path) and (places := list(names_in(path)))
    }
    assert {path: places for path, places in naming.items() if path not in MAY_NAME_CHANNELS} == {}
    assert MAY_NAME_CHANNELS.keys() - naming.keys() == set(), (
        "these name no channel any more: remove them here"
    )


def test_every_channel_has_its_line_and_its_folder() -> None:
    assert list(CHANNELS) == list(Channel)
    folders = {path.parent.name for path in ROOT.glob("services/dispatch-*/pyproject.toml")}
    assert folders == {channel.dispatcher for channel in Channel}


@every_channel
def test_a_content_is_what_the_templates_parts_render_to(channel: Channel) -> None:
    spec = CHANNELS[channel]
    assert spec.content.__struct_config__.tag == channel.value
    parts = {part.name for part in spec.parts}
    named = set() if spec.named_parts is None else {spec.named_parts}
    named |= {"overrides"} if spec.overrides else set()
    named |= {"actions"} if spec.actions else set()
    assert set(spec.content.__struct_fields__) == parts | named
    required = {field.name for field in msgspec.structs.fields(spec.content) if field.required}
    assert required == {part.name for part in spec.parts if part.required}
    assert set(spec.one_of) <= parts


@every_channel
def test_the_apis_models_know_the_channels_parts_and_sender(channel: Channel) -> None:
    spec = CHANNELS[channel]
    assert set(spec.content.__struct_fields__) <= Preview.model_fields.keys()
    described = TemplateWrite.model_fields["parts"].description or ""
    assert [part.name for part in spec.parts if f"`{part.name}`" not in described] == []
    assert (channel.value in Senders.model_fields) == spec.has_sender


@every_channel
def test_the_provider_suite_runs_over_each_channel(channel: Channel) -> None:
    tests = ROOT / "tests" / "integration" / channel.dispatcher.replace("-", "_")
    assert any("(ProviderSuite)" in path.read_text() for path in tests.glob("*.py"))


@every_channel
def test_type_checks_and_documents_cover_the_folder(channel: Channel) -> None:
    workspace = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert f"services/{channel.dispatcher}/src" in workspace["tool"]["mypy"]["mypy_path"]
    documents = tomllib.loads((ROOT / "tools" / "specifications" / "pyproject.toml").read_text())
    assert f"tocsin-{channel.dispatcher}" in documents["project"]["dependencies"]


@every_channel
def test_the_local_stack_has_a_provider_and_a_sample(channel: Channel, tmp_path: Path) -> None:
    write_providers(tmp_path, catcher="http://c", smtp_port=25, fcm_account=tmp_path / "account")
    assert (tmp_path / f"{channel}.toml").is_file()
    assert channel in sample.WORKFLOWS[sample.workflow_on(channel)]["channels"]
    assert any(name == channel for name, _ in sample.TEMPLATES)


@every_channel
def test_the_manifests_run_the_dispatcher(channel: Channel) -> None:
    workers = ROOT / "deploy" / "k8s" / "base" / "workers"
    assert (workers / f"{channel.dispatcher}.yaml").is_file()
    assert f"- {channel.dispatcher}.yaml" in (workers / "kustomization.yaml").read_text()
    assert f"\n  {channel.dispatcher}:\n" in (ROOT / "deploy" / "compose.yaml").read_text()
