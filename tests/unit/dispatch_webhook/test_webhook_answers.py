"""What an endpoint's answer means: one table."""

import pytest

from tocsin.channel import Accepted, Ambiguous, NotSent, Rejected, Throttled
from tocsin.channel.breaker import Verdict, verdict_of
from tocsin.contracts.vocabulary import Channel, Reason
from tocsin.dispatch_webhook.webhook_answers import answer_of, not_answered
from tocsin.testing.jobs import job_for

JOB = job_for(Channel.WEBHOOK)
AT_MOST_ONCE = job_for(Channel.WEBHOOK, delivery_class="at_most_once")


@pytest.mark.parametrize(
    ("status", "kind", "verdict"),
    [
        (200, Accepted, Verdict.WORKS),
        (204, Accepted, Verdict.WORKS),
        (299, Accepted, Verdict.WORKS),
        (301, NotSent, Verdict.FAILS),
        (308, NotSent, Verdict.FAILS),
        (400, NotSent, Verdict.FAILS),
        (401, NotSent, Verdict.FAILS),
        (404, NotSent, Verdict.FAILS),
        (410, Rejected, Verdict.WORKS),
        (429, Throttled, Verdict.FAILS),
        (500, NotSent, Verdict.FAILS),
        (503, NotSent, Verdict.FAILS),
    ],
)
def test_by_its_status(status: int, kind: type, verdict: Verdict) -> None:
    answer = answer_of(status, JOB, retry_after=None)
    assert type(answer) is kind
    assert answer.code == f"HTTP {status}"
    assert verdict_of(answer) is verdict


def test_gone_is_a_reason_of_its_own() -> None:
    answer = answer_of(410, JOB, retry_after=None)
    assert isinstance(answer, Rejected)
    assert answer.reason is Reason.ENDPOINT_GONE


@pytest.mark.parametrize("status", [429, 503, 302])
def test_it_says_when_it_wants_the_message(status: int) -> None:
    answer = answer_of(status, JOB, retry_after=120.0)
    assert isinstance(answer, NotSent | Throttled)
    assert answer.retry_after == 120.0


@pytest.mark.parametrize(("status", "kind"), [(500, Ambiguous), (503, NotSent), (400, NotSent)])
def test_what_is_sent_at_most_once_and_may_be_there_is_not_sent_again(status: int, kind: type) -> None:
    assert type(answer_of(status, AT_MOST_ONCE, retry_after=None)) is kind


def test_silence_is_a_failure_that_a_timer_tries_again() -> None:
    silent = not_answered(JOB, sent=True)
    assert isinstance(silent, NotSent)
    assert silent.retry_after == 5.0
    assert not_answered(JOB, sent=False) == NotSent(
        reason=Reason.UNREACHABLE, detail="The endpoint could not be reached."
    )
    assert isinstance(not_answered(AT_MOST_ONCE, sent=True), Ambiguous)
    assert isinstance(not_answered(AT_MOST_ONCE, sent=False), NotSent)
