"""A fan-out begins where it was told to, goes as far as its budget, and leaves word of where it stopped."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from tocsin.contracts.codec import decode_intent, decode_status
from tocsin.contracts.events import Event
from tocsin.contracts.ids import event_key
from tocsin.contracts.intents import Continuation, Intent
from tocsin.contracts.vocabulary import Lane
from tocsin.kafka import ProducerRecord
from tocsin.programs import CrashNote
from tocsin.router.worker.batch import BatchContext, LaneTopics
from tocsin.router.worker.budgets import FanOutBudget
from tocsin.router.worker.directory import PublishedWorkflow
from tocsin.router.worker.fan_out import begin_fan_out, continue_fan_out
from tocsin.router.worker.matching import WorkflowMatch
from tocsin.router.worker.parse import EventPlan, FanOutRest
from tocsin.router.worker.recipients import RecipientRef, digest

AT = datetime(2026, 1, 1, tzinfo=UTC)
PEOPLE = ["ann", "bob", "carl", "dora"]


@pytest.fixture
def plan(workflow):
    def make(people: Sequence[RecipientRef] = PEOPLE, workflows: int = 1) -> EventPlan:
        event = Event(tenant="acme", source="/shop", id="e1", type="com.shop.shipped")
        matches = [
            WorkflowMatch(
                PublishedWorkflow(workflow(key=f"w{number}", revision=7), CrashNote()),
                list(people),
                event.data,
                None,
                Lane.BULK,
            )
            for number in range(workflows)
        ]
        return EventPlan(event, AT, matches, [])

    return make


@pytest.fixture
def context(worker):
    def make(records: int = 1_000, size: int = 1_000_000) -> BatchContext:
        return BatchContext(
            lane=Lane.TRANSACTIONAL,
            now=AT,
            topics=LaneTopics.of(Lane.TRANSACTIONAL, worker.topics),
            directory=worker.directory,
            cancellations=worker.cancellations,
            partition_count=4,
            default_tenant=None,
            hashes=worker.router._hashes,
            fan_out=FanOutBudget(records=records, size=size),
        )

    return make


def told(records: Sequence[ProducerRecord]) -> list[str | int]:
    """The recipient of each intent, and the cursor of each continuation."""
    read = [decode_intent(record.value or b"") for record in records]
    return [intent.recipient if isinstance(intent, Intent) else intent.cursor for intent in read]


def continued(plan: EventPlan, cursor: int, context: BatchContext) -> list[ProducerRecord]:
    return list(continue_fan_out(FanOutRest(plan, cursor, "o/0/1"), context, cause="i/0/9"))


def test_an_event_is_accepted_and_then_fanned_out(plan, context):
    accepted, *intents = begin_fan_out(plan(), context(), cause="e/0/1")
    assert decode_status(accepted.value or b"").status == "event_accepted"
    assert told(intents) == PEOPLE
    assert {intent.topic for intent in intents} == {"tocsin.intents.bulk"}


@pytest.mark.parametrize(("cursor", "rest"), [(0, PEOPLE), (1, PEOPLE[1:]), (3, PEOPLE[3:]), (4, [])])
def test_a_continuation_begins_with_the_first_who_has_no_intent(plan, context, cursor, rest):
    assert told(continued(plan(), cursor, context())) == rest


@pytest.mark.parametrize(
    ("cursor", "records", "expected"),
    [
        (0, 2, ["ann", "bob", 2]),
        (1, 2, ["bob", "carl", 3]),
        (2, 2, ["carl", "dora"]),
        (0, 3, ["ann", "bob", "carl", 3]),
        (0, 0, [0]),
        (2, 0, [2]),
        (3, 0, ["dora"]),  # a continuation for the only one who is left would be as large
    ],
)
def test_where_the_budget_ends_a_continuation_stands_for_the_others(plan, context, cursor, records, expected):
    assert told(continued(plan(), cursor, context(records=records))) == expected


def test_bytes_end_a_budget_as_well(plan, context):
    assert told(continued(plan(), 0, context(size=1))) == ["ann", 1]


def test_each_workflow_has_a_continuation_of_its_own(plan, context):
    _, *records = begin_fan_out(plan(workflows=2), context(records=3), cause="e/0/1")
    assert told(records) == ["ann", "bob", "carl", 3, 0]
    rests = [decode_intent(record.value or b"") for record in records[-2:]]
    assert [rest.workflow for rest in rests if isinstance(rest, Continuation)] == ["w0", "w1"]


def test_a_continuation_says_where_it_comes_from(plan, context):
    record = continued(plan(), 1, context(records=1))[-1]
    rest = decode_intent(record.value or b"")
    assert isinstance(rest, Continuation)
    assert (record.topic, record.key) == ("tocsin.intents.bulk", event_key("acme", "e1"))
    assert (rest.cursor, rest.workflow, rest.revision, rest.lane) == (2, "w0", 7, Lane.BULK)
    assert (rest.origin, rest.cause, rest.event_time) == ("o/0/1", "i/0/9", AT)
    assert rest.recipients_sha256 == digest(PEOPLE)
