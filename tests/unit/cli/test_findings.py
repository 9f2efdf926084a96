"""What is wrong is told with what to do about it; what is in order is not told."""

import inspect
import re
from pathlib import Path

import pytest

from tocsin.cli import doctor, findings, group_findings, looks, process_findings
from tocsin.cli.findings import of_topics
from tocsin.cli.group_findings import GroupState, of_groups, states_of, states_of_witness, unused
from tocsin.cli.process_findings import of_metrics, of_readiness
from tocsin.cli.samples import Samples
from tocsin.kafka import GroupView, Loss, Plan, TopicPartition, TopicSpec, Unread
from tocsin.kafka.client.commits import KeptRange
from tocsin.kafka.topics.plan import StartOffset, TopicChange

RUNBOOKS = Path(__file__).parents[3] / "docs" / "operations" / "runbooks"
NOW = 1_000_000_000
EVENTS = TopicPartition("tocsin.events.critical", 3)


def state(component: str = "router", lane: str = "critical", *, members: int | None = 2, records: int = 7, age: float | None = None) -> GroupState:  # fmt: skip
    oldest = {} if age is None else {"events": age}
    return GroupState(component=component, lane=lane, members=members, records=records, oldest=oldest)


def told(*states: GroupState) -> list[tuple[str, str]]:
    return [(finding.runbook, finding.what) for finding in of_groups(states)]


@pytest.mark.parametrize(
    ("given", "alert", "what"),
    [
        (state(), None, ""),
        (state(age=9), None, ""),
        (state(age=11), "TocsinRecordsWait", "router.critical leaves events unread for 11 s; 10 s are allowed."),
        (state(lane="transactional", age=59), None, ""),
        (state(lane="bulk", age=3_599), None, ""),
        (state(lane="bulk", age=7_200), "TocsinBulkWaits", "router.bulk leaves events unread for 7,200 s; 3,600 s are allowed."),
        (state("ledger", age=299), None, ""),
        (state("router-feedback", age=301), "TocsinStatusReadLate", "router-feedback.critical leaves events unread for 301 s; 300 s are allowed."),
        (state("ledger", "dead", age=301), "TocsinStatusReadLate", "ledger.dead leaves events unread for 301 s; 300 s are allowed."),
        (state(members=None), None, ""),
    ],
)  # fmt: skip
def test_groups(given: GroupState, alert: str | None, what: str) -> None:
    assert told(given) == ([(alert, what)] if alert else [])


def test_what_follows_from_a_component_that_is_gone_is_not_told_besides() -> None:
    """As Alertmanager has it: the router's feedback is a group of its own."""
    states = [state(lane=lane, members=0, records=1_200, age=90) for lane in ("critical", "bulk")]
    assert told(*states, state("router-feedback", members=0)) == [
        ("TocsinComponentGone", "Nobody is a member of any group of router; 2,400 records wait, the oldest for 90 s."),
        ("TocsinGroupUnserved", "Nobody is a member of router-feedback.critical; 7 records wait."),
    ]  # fmt: skip


def test_one_lane_without_members_is_told_by_itself() -> None:
    assert told(state(members=0, age=90), state(lane="bulk")) == [
        ("TocsinLaneUnserved", "Nobody is a member of router.critical; 7 records wait, the oldest for 90 s.")
    ]


def test_a_channel_that_nobody_has_is_not_missed_unless_something_waits_for_it() -> None:
    of_nobody = state("dispatch-sms", members=0, records=0)
    assert (told(of_nobody), unused([of_nobody, state()])) == ([], ["dispatch-sms"])
    waits = state("dispatch-sms", members=0, records=1)
    assert ([alert for alert, _ in told(of_nobody, waits)], unused([of_nobody, waits])) == (
        ["TocsinComponentGone"],
        [],
    )
    assert told(state(members=0, records=0)) == [
        ("TocsinComponentGone", "Nobody is a member of any group of router; 0 records wait.")
    ]


def test_a_partition_without_a_leader_is_named_and_members_that_nobody_tells_are_not_missed() -> None:
    view = GroupView(None, {}, frozenset({EVENTS}))
    (finding,) = of_groups(states_of({"tocsin.router.critical": view}, prefix="tocsin.", now_ms=NOW))
    assert (finding.runbook, finding.what) == (
        "TocsinLeaderless",
        "What router.critical leaves unread of tocsin.events.critical/3 cannot be seen: they have no leader, or the group no coordinator.",
    )


def test_brokers_and_the_witness_tell_the_same() -> None:
    unread = {EVENTS: Unread(7, NOW - 11_000), EVENTS._replace(partition=1): Unread(2, None)}
    (of_brokers,) = states_of({"tocsin.router.critical": GroupView(2, unread)}, prefix="tocsin.", now_ms=NOW)
    labels = 'component="router",lane="critical"'
    text = f"""
tocsin_group_members{{{labels}}} 2.0
tocsin_group_lag_messages{{{labels},kind="events"}} 9.0
tocsin_group_oldest_seconds{{{labels},kind="events"}} 11.0
tocsin_group_unseen_partitions{{{labels},kind="events"}} 0.0
"""
    (of_witness,) = states_of_witness(Samples(text))
    assert (of_witness.members, of_witness.records, of_witness.oldest) == (2, 9, {"events": 11.0})
    assert (of_brokers.members, of_brokers.records, of_brokers.oldest) == (2, 9, {"events": 11.0})
    assert told(of_brokers) == told(of_witness) != []


def test_what_the_doctor_finds_names_a_runbook_that_exists() -> None:
    pages = {page.stem for page in RUNBOOKS.glob("*.md")}
    named = [
        name
        for module in (findings, group_findings, process_findings, looks, doctor)
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
    ("line", "alert"),
    [
        ('tocsin_directory_outbox_age_seconds{component="router",change="single"} 20.0', None),
        ('tocsin_directory_outbox_age_seconds{component="router",change="single"} 21.0', "TocsinOutboxOld"),
        ('tocsin_directory_outbox_age_seconds{component="router",change="import"} 61.0', "TocsinOutboxOld"),
        ('tocsin_last_stable_offset_age_seconds{component="router",kind="events",lane="bulk",partition="2"} 30.0', "TocsinStuckPartition"),
        ('tocsin_breakers{channel="email",provider="main",state="open"} 1.0', "TocsinProviderDown"),
        ('tocsin_breakers{channel="email",provider="main",state="open"} 0.0', None),
        (('tocsin_breakers{channel="email",provider="main",state="open"} 1.0\n'
         'tocsin_breaker_openings_total{channel="email",provider="main",cause="credentials"} 1.0'), "TocsinCredentialsRefused"),
        ('tocsin_paused{component="dispatch-email"} 1.0', "TocsinChannelDown"),
        ('tocsin_no_provider_works{component="dispatch-email"} 1.0', None),
        (('tocsin_no_provider_works{component="dispatch-email"} 1.0\n'
         'tocsin_deferrals_total{component="dispatch-email",lane="bulk",reason="recheck"} 2.0'), None),
        (('tocsin_no_provider_works{component="dispatch-email"} 1.0\n'
         'tocsin_deferrals_total{component="dispatch-email",lane="bulk",reason="unreachable"} 2.0'), "TocsinChannelDown"),
        ('tocsin_copy_age_seconds{component="dispatch-email",kind="stops"} 31.0', "TocsinCopyOld"),
        ('tocsin_oldest_due_timer_seconds{lane="critical"} 31.0', "TocsinTimersLate"),
        ('tocsin_oldest_due_timer_seconds{lane="bulk"} 31.0', None),
        ('tocsin_unusable_offsets{component="router",lane="bulk"} 2.0', "TocsinUnusableOffsets"),
        ('tocsin_producer_buffered_bytes{component="ingest"} 90.0\ntocsin_producer_buffered_limit_bytes{component="ingest"} 100.0', "TocsinProducerFull"),
        ('tocsin_dead_letters_total{component="router",lane="critical",reason="attribute_missing"} 9.0', None),
    ],
)  # fmt: skip
def test_numbers(line: str, alert: str | None) -> None:
    look = Samples(f"{line}\n")
    found = [finding.runbook for finding in of_metrics("p", look, look, seconds=3)]
    assert found == ([alert] if alert else [])


@pytest.mark.parametrize(
    ("before", "after", "alert"),
    [(0, 3, "TocsinDeadLetters"), (5, 9, "TocsinPoison"), (9, 2, "TocsinDeadLetters"), (7, 7, None)],
)
def test_two_looks_tell_poison_from_a_few_dead_letters(before: int, after: int, alert: str | None) -> None:
    """More than one a second is poison. A process that was started anew began at 0."""
    looks = [Samples(f'tocsin_dead_letters_total{{component="router",lane="bulk",reason="source_invalid"}} {count}.0\n') for count in (before, after)]  # fmt: skip
    assert [finding.runbook for finding in of_metrics("p", *looks, seconds=3)] == ([alert] if alert else [])


def test_an_import_that_is_published_may_take_its_time() -> None:
    waits = 'tocsin_directory_outbox_age_seconds{component="router",change="import"} 600.0\n'
    before, after = (Samples(f'{waits}tocsin_produced_records_total{{component="router",lane="none",kind="directory"}} {count}.0\n') for count in (1, 9))  # fmt: skip
    assert not list(of_metrics("p", before, after, seconds=3))
