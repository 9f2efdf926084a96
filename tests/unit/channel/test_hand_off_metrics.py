"""How deliveries end and how long they take, as /metrics shows it."""

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tocsin.channel.answers import Accepted, Answer, NotSent, Rejected, Throttled
from tocsin.channel.delivery import Delivery
from tocsin.channel.hand_off_metrics import HandOffMetrics, begin_ends_at_zero
from tocsin.channel.retry_policy import INTERRUPTED_END, UNKNOWN_END, Finish, Try
from tocsin.contracts.faults import FAULTS, Fault, fault_of
from tocsin.contracts.intents import RetryMemory, Run
from tocsin.contracts.vocabulary import Channel, Lane, Reason, StatusName
from tocsin.observability import metrics
from tocsin.observability.unlocked_metrics import HistogramWithExemplars
from tocsin.testing import ManualClock
from tocsin.testing.jobs import job_for
from tocsin.testing.until import until

if TYPE_CHECKING:
    from tests.unit.channel.conftest import LaneBench

SENT = Finish(status=StatusName.SENT)
TOO_LATE = Finish(status=StatusName.EXPIRED)
GIVEN_UP = Finish(status=StatusName.FAILED, reason=Reason.RETRIES_EXHAUSTED)
NAME = "tocsin_deliveries_total"
TRACEPARENT = f"00-{'a' * 32}-{'b' * 16}-0"


def test_every_reason_has_a_fault() -> None:
    assert set(FAULTS) == set(Reason)


def test_what_is_not_handed_over_in_time_is_our_fault() -> None:
    assert fault_of(StatusName.EXPIRED, None) is Fault.US
    assert fault_of(StatusName.SENT, None) is fault_of(StatusName.CANCELLED, None) is Fault.NONE


def hand_off(
    channel: Channel, lane: Lane, clock: ManualClock | None = None, *, away: bool = False
) -> HandOffMetrics:
    return HandOffMetrics(channel, lane, clock or ManualClock(), no_provider_works=lambda: away)


def delivery(*answers: Answer, **fields: Any) -> Delivery:
    job = job_for(Channel.SMS, **{"traceparent": None, **fields})
    made = Delivery(None, None, job, b"", taken_at=0.0)  # type: ignore[arg-type]  # nobody carries it
    made.tries += [Try("main", answer) for answer in answers]
    return made


@pytest.mark.parametrize(
    ("answers", "finish", "labels"),
    [
        ([Accepted()], SENT, ("main", "sent", "none", "none")),
        ([], TOO_LATE, ("none", "expired", "none", "us")),
        ([], Finish(status=StatusName.CANCELLED), ("none", "cancelled", "none", "none")),
        ([], INTERRUPTED_END, ("none", "unknown", "interrupted", "us")),
        ([NotSent(reason=Reason.UNREACHABLE)], UNKNOWN_END, ("main", "unknown", "no_answer", "provider")),
        (
            [Rejected(reason=Reason.ADDRESS_INVALID)],
            Finish(status=StatusName.FAILED, reason=Reason.ADDRESS_INVALID),
            ("main", "failed", "address_invalid", "recipient"),
        ),
        ([NotSent(reason=Reason.UNREACHABLE)], GIVEN_UP, ("main", "failed", "unreachable", "provider")),
        (
            [NotSent(reason=Reason.CREDENTIALS_REFUSED)],
            GIVEN_UP,
            ("main", "failed", "credentials_refused", "owner"),
        ),
        ([Throttled()], GIVEN_UP, ("main", "failed", "throttled", "provider")),
        ([NotSent(reason=Reason.UNREACHABLE)], TOO_LATE, ("main", "expired", "unreachable", "provider")),
        (
            [NotSent(reason=Reason.CREDENTIALS_REFUSED)],
            TOO_LATE,
            ("main", "expired", "credentials_refused", "owner"),
        ),
    ],
)
def test_an_end_says_whose_fault_it_is(
    answers: list[Answer], finish: Finish, labels: tuple[str, str, str, str]
) -> None:
    shown = hand_off(Channel.SMS, Lane.BULK)
    end = shown.end_of(delivery(*answers), finish)
    assert end.counter._labelvalues == ("sms", "bulk", *labels)
    assert shown.end_of(delivery(*answers), finish) is end


def test_what_expired_while_no_provider_worked_is_the_providers_fault() -> None:
    ends = [hand_off(Channel.SMS, Lane.BULK, away=True).end_of(delivery(), TOO_LATE)]
    put_off = delivery()
    put_off.job.retry = RetryMemory(attempt=1, first_at=ManualClock().now())
    ends.append(hand_off(Channel.SMS, Lane.BULK).end_of(put_off, TOO_LATE))
    assert {end.counter._labelvalues for end in ends} == {
        ("sms", "bulk", "none", "expired", "none", "provider")
    }


def test_the_first_end_of_each_kind_is_an_increase() -> None:
    begin_ends_at_zero(Channel.PUSH, [Lane.BULK], ["begun"])
    labels = {"channel": "push", "lane": "bulk", "provider": "begun"}
    sent = labels | {"status": "sent", "reason": "none", "fault": "none"}
    gone = labels | {"status": "failed", "reason": "device_gone", "fault": "recipient"}
    late = labels | {"status": "expired", "reason": "unreachable", "fault": "provider"}
    never = labels | {"provider": "none", "status": "expired", "reason": "none", "fault": "us"}
    shown = [REGISTRY.get_sample_value(NAME, delivery) for delivery in (sent, gone, late, never)]
    assert shown == [0, 0, 0, 0]


def seconds(status: str = "sent") -> tuple[float, float]:
    """Of critical SMS: how many were observed, and their sum."""
    labels = {"channel": "sms", "lane": "critical", "outcome": status}
    count, total = (
        REGISTRY.get_sample_value(f"tocsin_hand_off_seconds_{of}", labels) or 0.0 for of in ("count", "sum")
    )
    return count, total


def test_the_time_is_from_the_event_or_when_it_was_due() -> None:
    clock = ManualClock()
    shown = hand_off(Channel.SMS, Lane.CRITICAL, clock)
    from_event, from_due = delivery(Accepted()), delivery(Accepted())
    from_event.job = with_intent(from_event, event_time=clock.now())
    clock.advance(2)
    from_due.job = with_intent(from_due, event_time=from_event.job.intent.event_time, due_at=clock.now())
    clock.advance(1)
    count, total = seconds()
    shown.answered(from_event, StatusName.SENT)
    shown.answered(from_due, StatusName.SENT)
    assert seconds() == (count + 2, total + 3 + 1)


def with_intent(made: Delivery, **fields: Any) -> Any:
    return msgspec.structs.replace(made.job, intent=msgspec.structs.replace(made.job.intent, **fields))


def test_what_says_nothing_of_our_speed_is_not_observed() -> None:
    shown = hand_off(Channel.SMS, Lane.CRITICAL)
    redriven = delivery(Accepted())
    redriven.job = with_intent(redriven, redrive="r-1")
    quota = delivery(Accepted())
    quota.job = with_intent(quota, run=Run(turn=1))
    later_and_quota = delivery(Accepted())
    later_and_quota.job = with_intent(later_and_quota, due_at=ManualClock().now(), run=Run(turn=2))
    tried = delivery(Accepted())
    tried.job = msgspec.structs.replace(tried.job, test=True)
    before = seconds(), seconds("failed")
    shown.answered(redriven, StatusName.SENT)
    for unobserved in (tried, quota, later_and_quota):
        shown.answered(unobserved, StatusName.SENT)
    shown.answered(delivery(), StatusName.FAILED)  # no provider was asked
    shown.answered(delivery(Accepted()), StatusName.EXPIRED)
    assert (seconds(), seconds("failed")) == before


@pytest.mark.parametrize("sampled", [True, False])
def test_an_exemplar_leads_to_one_message(monkeypatch: pytest.MonkeyPatch, sampled: bool) -> None:
    registry, clock = CollectorRegistry(), ManualClock()
    seconds = HistogramWithExemplars("own", "", ["channel", "lane", "outcome"], registry=registry)
    monkeypatch.setattr(metrics, "hand_off_seconds", seconds)
    shown = hand_off(Channel.PUSH, Lane.BULK, clock)

    def answered(notification: str) -> None:
        made = delivery(Accepted(), notification_id=notification, traceparent=f"{TRACEPARENT}{int(sampled)}")
        made.job = with_intent(made, event_time=clock.now())
        shown.answered(made, StatusName.SENT)

    answered("first")
    answered("within a second")
    assert exemplar(registry) == {"notification_id": "first"} | ({"trace_id": "a" * 32} if sampled else {})
    clock.advance(1)
    answered("later")
    assert exemplar(registry)["notification_id"] == "later"


def exemplar(registry: CollectorRegistry) -> dict[str, str]:
    """Of the one bucket that has one, as OpenMetrics shows it."""
    families = text_string_to_metric_families(generate_latest(registry).decode())
    (labels,) = [
        sample.exemplar.labels for family in families for sample in family.samples if sample.exemplar
    ]
    return dict(labels)


async def test_a_delivery_counts_once_and_when_its_outcome_is_stored(bench: "LaneBench") -> None:
    labels = {
        "channel": "sms", "lane": "transactional", "provider": "first", "status": "sent", "reason": "none", "fault": "none",
    }  # fmt: skip
    before = REGISTRY.get_sample_value(NAME, labels) or 0
    await bench.open()
    bench.publisher.flowing.clear()
    shard, _work = bench.start()
    shard.put(bench.job(1))
    await until(lambda: len(bench.provider().got) == 1)
    assert (REGISTRY.get_sample_value(NAME, labels) or 0) == before
    bench.publisher.flowing.set()
    await until(lambda: REGISTRY.get_sample_value(NAME, labels) == before + 1)
