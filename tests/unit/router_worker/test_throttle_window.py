"""Who is let in within a workflow's limit, against a model that forgets nobody: any window, any order within a batch, any re-run."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from tocsin.router.worker.throttle import Held, ThrottleAsked, let_in

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECONDS = 60

numbers_and_times = st.tuples(st.integers(0, 15), st.integers(0, SECONDS))
"""A notification, and so many seconds after its batch began: the broker's and the due times stand in any order, and may run back."""
batches_after_each_other = st.lists(
    st.tuples(st.integers(0, 100), st.lists(numbers_and_times, min_size=1, max_size=8)), max_size=6
)


def batches_of(
    drawn: Sequence[tuple[int, Sequence[tuple[int, int]]]], limit: int
) -> list[list[ThrottleAsked]]:
    """Each begins so many seconds after the one before it. A notification has one time for ever."""
    times: dict[int, datetime] = {}
    batches = []
    for begins, (_, wanted) in zip(accumulate(begins for begins, _ in drawn), drawn, strict=True):
        batch = []
        for number, after in wanted:
            at = times.setdefault(number, NOW + timedelta(seconds=begins + after))
            batch.append(ThrottleAsked(b"k", str(number), at, limit, SECONDS))
        batches.append(batch)
    return batches


class Model:
    """Remembers everybody. Whoever was let in is let in again; anybody else, where fewer than the limit are within the window."""

    def __init__(self) -> None:
        self.inside: dict[str, datetime] = {}

    def ask(self, batch: Sequence[ThrottleAsked]) -> set[str]:
        answer = set()
        for each in batch:
            near = [at for at in self.inside.values() if abs(at - each.at).total_seconds() < each.seconds]
            if each.notification_id in self.inside or len(near) < each.limit:
                self.inside[each.notification_id] = each.at
                answer.add(each.notification_id)
        return answer


def new_ones(batches: list[list[ThrottleAsked]]) -> list[list[ThrottleAsked]]:
    """Without those that an earlier batch has asked for: a notification is asked for once, unless its batch runs again."""
    seen: set[str] = set()
    kept = []
    for batch in batches:
        kept.append([each for each in batch if each.notification_id not in seen])
        seen |= {each.notification_id for each in batch}
    return [batch for batch in kept if batch]


@given(batches_after_each_other, st.integers(1, 4))
def test_it_answers_as_a_model_that_forgets_nobody(
    drawn: list[tuple[int, list[tuple[int, int]]]], limit: int
) -> None:
    model = Model()
    held: Held = {}
    for batch in new_ones(batches_of(drawn, limit)):
        held, inside = let_in(held, batch)
        assert inside == model.ask(batch)


@given(batches_after_each_other, st.integers(1, 4))
def test_no_window_has_more_than_the_limit_and_a_re_run_answers_the_same(
    drawn: list[tuple[int, list[tuple[int, int]]]], limit: int
) -> None:
    held: Held = {}
    ever: dict[str, datetime] = {}
    for batch in new_ones(batches_of(drawn, limit)):
        held, inside = let_in(held, batch)
        assert let_in(held, batch) == (held, inside)
        assert let_in(held, batch[::-1]) == (held, inside)
        ever |= {each.notification_id: each.at for each in batch if each.notification_id in inside}
    for begins in ever.values():
        window = [at for at in ever.values() if 0 <= (at - begins).total_seconds() < SECONDS]
        assert len(window) <= limit


def test_a_batch_may_span_more_than_a_window() -> None:
    batch = [
        ThrottleAsked(b"k", f"{at}", NOW + timedelta(seconds=at), 1, SECONDS) for at in (0, 30, 61, 100, 130)
    ]
    held, inside = let_in({}, batch)
    assert inside == {"0", "61", "130"}
    assert let_in(held, batch) == (held, inside)
