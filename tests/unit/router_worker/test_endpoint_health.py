"""When the owner of an endpoint that fails is told, and when it is disabled: a table of answers."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from tocsin.contracts.statuses import ProviderTry, Status, status_of
from tocsin.contracts.vocabulary import Channel, Lane, Reason, StatusName
from tocsin.router.policy.endpoint_health import HEALTHY, EndpointAnswer, Notice, health_after
from tocsin.router.worker.endpoint_health import answered
from tocsin.testing.jobs import job_for

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)


def failed(days: float, error: str = "HTTP 500", *, record: str | None = None) -> EndpointAnswer:
    return EndpointAnswer(BEGIN + timedelta(days=days), error, record or f"s/0/{days}")


def good(days: float) -> EndpointAnswer:
    return failed(days)._replace(error=None)


def played(*answers: EndpointAnswer) -> list[tuple[float, int]]:
    """Day and step of each notice, where each answer comes alone."""
    health, notices = HEALTHY, []
    for answer in answers:
        health, notice = health_after(health, [answer])
        if notice is not None:
            notices.append(((answer.at - BEGIN) / timedelta(days=1), notice.step))
    return notices


@pytest.mark.parametrize(
    ("answers", "notices"),
    [
        ([failed(0), failed(0.9)], []),
        ([failed(day / 10) for day in range(100)], [(1.0, 1), (3.0, 2), (5.0, 3)]),
        ([failed(0), failed(1), failed(1.1), failed(2.9)], [(1.0, 1)]),
        ([failed(0), good(0.5), failed(1.2), failed(2.1)], []),
        ([failed(0), failed(1), good(2), failed(3), failed(3.9), failed(4)], [(1.0, 1), (4.0, 1)]),
        (
            [failed(0), failed(6), failed(6.1), failed(8), failed(9), failed(10)],
            [(6.0, 1), (8.0, 2), (10.0, 3)],
        ),
        ([failed(0), good(-1), failed(1)], [(1.0, 1)]),
        ([good(0), failed(0), good(0)], []),
    ],
    ids=["a day", "days", "once a step", "good between", "good again", "seldom", "late and good", "good"],
)
def test_its_owner_is_told_after_one_three_and_five_days(answers, notices):
    assert played(*answers) == notices


def test_the_last_notice_disables():
    steps = [Notice(step, BEGIN, "", BEGIN).disables for step in (1, 2, 3)]
    assert steps == [False, False, True]


def test_answers_of_one_batch_come_in_any_order():
    health, notice = health_after(HEALTHY, [failed(1), good(0.2), failed(0), failed(0.4, "unreachable")])
    assert notice is None
    assert (health.failing_since, health.last_error) == (BEGIN + timedelta(days=0.4), "HTTP 500")


def test_what_is_read_again_is_told_again_and_changes_nothing():
    first, _ = health_after(HEALTHY, [failed(0)])
    told, notice = health_after(first, [failed(1), failed(1.5)])
    assert notice is not None
    again, repeated = health_after(told, [failed(1), failed(1.5), failed(2)])
    assert repeated == notice
    assert again._replace(last_error=None) == told._replace(last_error=None)
    assert health_after(told, [failed(1.5), failed(2)])[1] is None


def about(name: StatusName, reason: Reason | None = None, **fields: Any) -> Status:
    job = job_for(Channel.WEBHOOK, address_key="shop")
    status = status_of(name, job, lane=Lane.BULK, cause="jobs/0/1", at=BEGIN, reason=reason)
    tries = [ProviderTry(provider="webhooks", answer="not_sent", ms=3)]
    return msgspec.structs.replace(status, **({"tries": tries} | fields))


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (about(StatusName.SENT), None),
        (about(StatusName.DEFERRED, Reason.PROVIDER_ERROR, provider_code="HTTP 503"), "HTTP 503"),
        (about(StatusName.DEFERRED, Reason.UNREACHABLE), "unreachable"),
        (about(StatusName.DEFERRED, Reason.THROTTLED, provider_code="HTTP 429"), "HTTP 429"),
        (about(StatusName.FAILED, Reason.ADDRESS_INVALID), "address_invalid"),
        (about(StatusName.UNKNOWN, Reason.UNREACHABLE), "unreachable"),
        (about(StatusName.FAILED, Reason.UNREACHABLE, provider_code="\x00"), "unreachable"),
    ],
)
def test_what_an_answer_is(status, error):
    told = answered(status, record="s/0/1")
    assert told is not None
    assert told == (("acme", "shop"), EndpointAnswer(BEGIN, error, "s/0/1"))


@pytest.mark.parametrize(
    "status",
    [
        about(StatusName.DEFERRED, Reason.UNREACHABLE, tries=[]),
        about(StatusName.DEFERRED, Reason.RECHECK),
        about(StatusName.DEFERRED, Reason.SET_ASIDE),
        about(StatusName.DEFERRED, Reason.SENDER_REFUSED),
        about(StatusName.FAILED, Reason.ENDPOINT_DISABLED),
        about(StatusName.FAILED, Reason.ENDPOINT_GONE),
        about(StatusName.EXPIRED),
        about(StatusName.SENT, test=True),
        about(StatusName.SENT, channel="email"),
        about(StatusName.SENT, channel="of a newer release"),
        about(StatusName.SENT, address_key=None),
        about(StatusName.SENT, address_key="\x00"),
        about(StatusName.SENT, tenant="\x00"),
        about(StatusName.SENT, at=BEGIN.replace(tzinfo=None)),
        about(StatusName.SENT, at=datetime(9999, 12, 31, tzinfo=UTC)),
    ],
)
def test_what_says_nothing_of_an_endpoint(status):
    assert answered(status, record="s/0/1") is None
