"""Every topic of the registry is written and read by services that exist, and that really name it in their code."""

import ast
from pathlib import Path

import pytest

from tocsin.contracts.topics import ANYONE, DISPATCHERS, PRODUCERS, Topic, Topics

ROOT = Path(__file__).parents[3]
SERVICES = {path.parent.name for path in ROOT.glob("services/*/pyproject.toml")}
REGISTRY = Topics()
TOPICS = REGISTRY.all()
FAMILIES = {topic.family for topic in TOPICS}
OUTSIDE = {PRODUCERS, ANYONE}
SHARED = dict.fromkeys(DISPATCHERS, "libs/common/src/tocsin/channel")
"""What a service runs of libs/common that names topics: the delivery loop all dispatchers share."""


def named_in(folder: Path) -> set[str]:
    """Families that code below `folder` asks a registry for: `topics.jobs(…)`, `self._topics.stops`, `Topics(…).directory`."""
    names: set[str] = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr in FAMILIES and _is_registry(node.value):
                names.add(node.attr)
    return names


def _is_registry(node: ast.expr) -> bool:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.Call(func=ast.Name(id=name)):
            return name.lower().strip("_") == "topics"
        case _:
            return False


@pytest.fixture(scope="module")
def used() -> dict[str, set[str]]:
    """Service → the families its code names, and the topics of groups it takes from the registry."""
    by_service = {}
    for service in SERVICES:
        folders = [
            ROOT / "services" / service / "src",
            *([ROOT / SHARED[service]] if service in SHARED else []),
        ]
        by_service[service] = set[str]().union(*map(named_in, folders))
        if any("topics.groups()" in path.read_text() for path in folders[0].rglob("*.py")):
            groups = [group for group in REGISTRY.groups() if group.service == service]
            by_service[service] |= {
                topic.family for topic in TOPICS if any(topic.name in group.topics for group in groups)
            }
    return by_service


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_a_topic_has_a_writer_and_a_reader_that_use_it(topic: Topic, used: dict[str, set[str]]) -> None:
    for users in (topic.writers, topic.readers):
        ours = set(users) - OUTSIDE
        assert ours, "no service of ours"
        assert ours <= SERVICES
        assert [service for service in sorted(ours) if topic.family not in used[service]] == []


def test_no_service_names_a_topic_it_is_not_registered_for(used: dict[str, set[str]]) -> None:
    registered = {
        service: {topic.family for topic in TOPICS if service in (*topic.writers, *topic.readers)}
        for service in SERVICES
    }
    assert used == registered


def test_every_group_belongs_to_a_service_that_reads_its_topics() -> None:
    by_name = {topic.name: topic for topic in TOPICS}
    for group in REGISTRY.groups():
        assert group.name.startswith(f"{REGISTRY.prefix}{group.service}")
        for name in group.topics:
            assert group.service in by_name[name].readers


def test_only_the_registry_writes_a_topics_name() -> None:
    """Names are made of the prefix and a family; nothing that runs glues them together."""
    names = {topic.name for topic in TOPICS} | {f"tocsin.{family}." for family in FAMILIES}
    for path in [*ROOT.glob("libs/*/src/**/*.py"), *ROOT.glob("services/*/src/**/*.py")]:
        if path.parts[-2:] == ("contracts", "topics.py"):
            continue
        texts = {
            node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)
        }
        assert texts & names == set(), path
