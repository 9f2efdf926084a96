"""What follows from the answers so far: a table."""

from collections.abc import Sequence

import pytest

from tocsin.channel import Accepted, Ambiguous, Answer, NotSent, Rejected, Throttled
from tocsin.channel.retry_policy import FailOver, Finish, NotTaken, Retry, Try, after_answer
from tocsin.contracts.jobs import DeliveryClass
from tocsin.contracts.vocabulary import Reason, StatusName

UNREACHABLE = NotSent(reason=Reason.UNREACHABLE)
NOW = 1_000.0


def tries(answers: Sequence[Answer]) -> list[Try]:
    return [Try("first", answer, attempt=number) for number, answer in enumerate(answers, 1)]


@pytest.mark.parametrize(
    ("answers", "status", "reason", "retryable"),
    [
        ([Accepted()], StatusName.SENT, None, None),
        ([Ambiguous(), UNREACHABLE, Accepted()], StatusName.SENT, None, None),
        ([Rejected(reason=Reason.ADDRESS_INVALID)], StatusName.FAILED, Reason.ADDRESS_INVALID, False),
        (
            [Ambiguous(), Rejected(reason=Reason.ADDRESS_INVALID)],
            StatusName.FAILED,
            Reason.ADDRESS_INVALID,
            False,
        ),
        ([Ambiguous()] * 3, StatusName.UNKNOWN, Reason.NO_ANSWER, None),
        (
            [Ambiguous(), UNREACHABLE, Ambiguous(), Ambiguous(reason=Reason.PROVIDER_ERROR)],
            StatusName.UNKNOWN,
            Reason.PROVIDER_ERROR,
            None,
        ),
    ],
)
def test_ends(
    answers: Sequence[Answer], status: StatusName, reason: Reason | None, retryable: bool | None
) -> None:
    finish = after_answer(tries(answers), now=NOW)
    assert isinstance(finish, Finish)
    assert (finish.status, finish.reason, finish.retryable) == (status, reason, retryable)


def test_what_another_provider_may_have_sent_is_not_failed() -> None:
    rejected = Rejected(reason=Reason.ADDRESS_INVALID)
    finish = after_answer([Try("first", Ambiguous()), Try("second", rejected)], now=NOW)
    assert isinstance(finish, Finish)
    assert (finish.status, finish.reason) == (StatusName.UNKNOWN, Reason.NO_ANSWER)


@pytest.mark.parametrize(
    ("answers", "delay"),
    [
        ([UNREACHABLE], 0.2),
        ([UNREACHABLE] * 2, 0.8),
        ([Ambiguous()], 0.2),
        ([Ambiguous(), UNREACHABLE], 0.8),
        ([Throttled(retry_after=1.5)], 1.5),
        ([UNREACHABLE, NotSent(reason=Reason.UNREACHABLE, retry_after=0.01)], 0.8),
        ([Throttled(retry_after=2.0)], 2.0),
        ([UNREACHABLE, UNREACHABLE, Ambiguous()], 2.0),
        ([UNREACHABLE] * 500 + [Ambiguous()], 2.0),
    ],
)
def test_another_attempt(answers: Sequence[Answer], delay: float) -> None:
    retry = after_answer(tries(answers), now=NOW)
    assert isinstance(retry, Retry)
    assert retry.due == pytest.approx(NOW + delay)


@pytest.mark.parametrize(
    ("answers", "ends"),
    [
        ([Ambiguous()], StatusName.UNKNOWN),
        ([UNREACHABLE, Ambiguous()], StatusName.UNKNOWN),
        ([UNREACHABLE], None),
        ([Throttled()], None),
        ([Accepted()], StatusName.SENT),
    ],
)
def test_at_most_once_what_may_have_been_sent_is_not_sent_again(
    answers: Sequence[Answer], ends: StatusName | None
) -> None:
    step = after_answer(tries(answers), now=NOW, delivery_class="at_most_once")
    assert (step.status if isinstance(step, Finish) else None) == ends


@pytest.mark.parametrize(
    ("answers", "delivery_class", "somebody_left", "fails_over"),
    [
        ([UNREACHABLE], "at_least_once", True, True),
        ([UNREACHABLE], "at_least_once", False, False),
        ([UNREACHABLE], "at_most_once", True, True),
        ([Throttled(retry_after=60)], "at_least_once", True, True),
        ([UNREACHABLE] * 3, "at_least_once", True, True),
        ([Ambiguous()], "at_least_once", True, True),
        ([Ambiguous()], "at_most_once", True, False),
        ([Accepted()], "at_least_once", True, False),
        ([Rejected(reason=Reason.ADDRESS_INVALID)], "at_least_once", True, False),
    ],
)
def test_when_the_next_provider_is_asked_at_once(
    answers: Sequence[Answer], delivery_class: DeliveryClass, somebody_left: bool, fails_over: bool
) -> None:
    step = after_answer(tries(answers), now=NOW, delivery_class=delivery_class, somebody_left=somebody_left)
    assert isinstance(step, FailOver) is fails_over


def test_several_calls_of_one_attempt_count_once() -> None:
    everywhere = [Try(name, UNREACHABLE, attempt=attempt) for attempt in (1, 2) for name in ("a", "b", "c")]
    assert isinstance(after_answer(everywhere, now=NOW), Retry)
    assert isinstance(after_answer([*everywhere, Try("a", UNREACHABLE, attempt=3)], now=NOW), NotTaken)


@pytest.mark.parametrize(
    ("answers", "reason", "retry_after"),
    [
        ([UNREACHABLE] * 3, Reason.UNREACHABLE, None),
        ([Throttled()] * 3, Reason.THROTTLED, None),
        ([Throttled(retry_after=60)], Reason.THROTTLED, 60),
        ([NotSent(reason=Reason.PROVIDER_ERROR, retry_after=2.1)], Reason.PROVIDER_ERROR, 2.1),
        ([Ambiguous(), Throttled(retry_after=60)], Reason.THROTTLED, 60),
        ([Ambiguous(), UNREACHABLE, UNREACHABLE], Reason.UNREACHABLE, None),
    ],
)
def test_what_is_not_tried_again_in_the_process(
    answers: Sequence[Answer], reason: Reason, retry_after: float | None
) -> None:
    step = after_answer(tries(answers), now=NOW)
    assert step == NotTaken(reason=reason, retry_after=retry_after)


def test_what_the_provider_said_is_kept() -> None:
    accepted = after_answer(tries([Accepted(message_id="m", code="250", segments=2)]), now=NOW)
    assert accepted == Finish(status=StatusName.SENT, message_id="m", code="250", segments=2)
    later = after_answer(
        tries([UNREACHABLE, UNREACHABLE, Throttled(code="429", detail="Slow down.")]), now=NOW
    )
    assert later == NotTaken(reason=Reason.THROTTLED, code="429", detail="Slow down.")
