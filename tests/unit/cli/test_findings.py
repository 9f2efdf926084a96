"""What is wrong is told with what to do about it; what is in order is not told."""

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from tocsin.cli import doctor, findings
from tocsin.cli.findings import of_groups, of_metrics, of_readiness, of_topics
from tocsin.kafka import GroupView, Loss, Plan, TopicPartition, TopicSpec, Unread
from tocsin.kafka.client.commits import KeptRange
from tocsin.kafka.topics.plan import StartOffset, TopicChange

RUNBOOKS = Path(__file__).parents[3] / "docs" / "operations" / "runbooks"
NOW = 1_000_000_000
EVENTS = TopicPartition("tocsin.events.critical", 3)


def groups(members: int, *, lane: str = "critical", records: int = 0, age: float | None = None) -> list[str]:
    oldest = None if age is None else NOW - int(age * 1000)
    view = GroupView(members, {TopicPartition(f"tocsin.events.{lane}", 3): Unread(records, oldest)})
    views = {f"tocsin.router.{lane}": view}
    return [
        finding.what
        for finding in of_groups(views, services=dict.fromkeys(views, "router"), prefix="tocsin.", now_ms=NOW)
    ]


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"members": 2, "records": 7}, []),
        ({"members": 2, "records": 7, "age": 9}, []),
        (
            {"members": 2, "records": 7, "age": 11},
            ["tocsin.router.critical leaves events unread for 11 s; 10 s are allowed."],
        ),
        ({"members": 2, "records": 7, "age": 59, "lane": "transactional"}, []),
        ({"members": 2, "records": 7, "age": 3_599, "lane": "bulk"}, []),
        (
            {"members": 2, "records": 7, "age": 7_200, "lane": "bulk"},
            ["tocsin.router.bulk leaves events unread for 7,200 s; 3,600 s are allowed."],
        ),
        (
            {"members": 0, "records": 1_200, "age": 90},
            [
                "Nobody is a member of tocsin.router.critical; 1,200 records wait.",
                "tocsin.router.critical leaves events unread for 90 s; 10 s are allowed.",
            ],
        ),
    ],
)
def test_groups(given: dict[str, Any], wrong: list[str]) -> None:
    assert groups(**given) == wrong


def test_a_partition_without_a_leader_is_named_and_members_that_nobody_tells_are_not_missed() -> None:
    view = GroupView(None, {}, frozenset({EVENTS}))
    (finding,) = of_groups({"tocsin.router.critical": view}, services={"tocsin.router.critical": "router"}, prefix="tocsin.", now_ms=NOW)  # fmt: skip
    assert finding.what == (
        "What tocsin.router.critical leaves unread of tocsin.events.critical/3 cannot be seen: they have no leader, or the group no coordinator."
    )


def test_what_the_doctor_finds_names_a_runbook_that_exists() -> None:
    pages = {page.stem for page in RUNBOOKS.glob("*.md")}
    named = [
        name
        for module in (findings, doctor)
        for name in re.findall(r'"(Tocsin\w+)"', inspect.getsource(module))
    ]
    assert len(named) >= 10
    assert set(named) <= pages


def test_topics_and_offsets_name_the_command() -> None:
    spec = TopicSpec(name="tocsin.stops", partitions=1)
    missing = tuple(
        TopicChange(spec=TopicSpec(name=f"t{number}", partitions=1), action="create") for number in range(7)
    )
    assert [finding.what for finding in of_topics(Plan(changes=missing, starts=()))] == [
        "Topics are missing: t0, t1, t2, t3, t4 and 2 more."
    ]
    plan = Plan(
        changes=(TopicChange(spec=spec, action="same"),),
        starts=(StartOffset(group="tocsin.ledger.bulk", topic="t", partition=0, offset=0, metadata=""),),
        losses=(
            Loss(
                group="tocsin.router.critical", partition=EVENTS, committed=5, kept=KeptRange(start=9, end=20)
            ),
        ),
    )
    assert [(finding.what, finding.remedy.partition(",")[0]) for finding in of_topics(plan)] == [
        ("Groups have no usable offset: tocsin.ledger.bulk.", "tocsin topics apply"),
        (
            "tocsin.router.critical has committed 5 of tocsin.events.critical/3, which is no longer kept.",
            "tocsin topics apply --accept-loss tocsin.router.critical",
        ),
    ]
    assert not list(of_topics(Plan(changes=(TopicChange(spec=spec, action="same"),), starts=())))


def test_readiness_tells_the_reason() -> None:
    body = {
        "checks": [
            {"name": "database", "ready": False, "reason": "waiting for PostgreSQL"},
            {"name": "kafka", "ready": True, "reason": None},
        ]
    }
    assert [finding.what for finding in of_readiness("router", body)] == [
        "router is not ready, database: waiting for PostgreSQL."
    ]


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ('tocsin_directory_outbox_age_seconds{component="router",change="single"} 59.0', ""),
        ('tocsin_directory_outbox_age_seconds{component="router",change="single"} 61.0', "change of the directory for 61 s"),
        ('tocsin_directory_outbox_age_seconds{component="router",change="import"} 600.0', ""),
        ('tocsin_last_stable_offset_age_seconds{component="router",kind="events",lane="bulk",partition="2"} 30.0',
         "open for 30 s in events of bulk, partition 2"),
        ('tocsin_breakers{channel="email",provider="main",state="open"} 1.0', "1 breakers of main (email) are open"),
        ('tocsin_breakers{channel="email",provider="main",state="open"} 0.0', ""),
        ('tocsin_paused{component="dispatch-email"} 1.0', "none of its providers works"),
    ],
)  # fmt: skip
def test_numbers(line: str, wrong: str) -> None:
    name = line.partition("{")[0]
    told = [finding.what for finding in of_metrics("p", f"# TYPE {name} gauge\n{line}\n")]
    assert len(told) == bool(wrong)
    assert all(wrong in what for what in told)
