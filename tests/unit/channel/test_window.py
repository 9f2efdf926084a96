"""An offset is committed below the lowest unfinished job, with the place where its outcomes begin."""

from hypothesis import given
from hypothesis import strategies as st

from tocsin.channel.window import Committable, PartitionWindow


def window(offset: int = 10, *, replayed_below: int = 0) -> PartitionWindow:
    return PartitionWindow(offset=offset, outcome_position=3, outcome_end=7, replayed_below=replayed_below)


def test_nothing_taken_commits_where_it_stands_with_the_outcome_log_s_end():
    assert window().committable == Committable(10, 7)


def test_the_lowest_unfinished_job_holds_the_offset_and_its_own_outcome_position():
    jobs = window()
    jobs.take(10, size=1)
    jobs.outcome_stored(20)
    jobs.take(11, size=1)
    jobs.finish(11)
    assert jobs.committable == Committable(10, 7)
    jobs.finish(10)
    assert jobs.committable == Committable(12, 21)


def test_a_job_a_former_owner_may_have_taken_keeps_the_position_it_was_read_back_from():
    jobs = window(replayed_below=11)
    jobs.take(10, size=1)
    jobs.take(11, size=1)
    assert jobs.committable == Committable(10, 3)
    jobs.finish(10)
    assert jobs.committable == Committable(11, 7)


def test_offsets_may_have_gaps_where_transactions_left_their_markers():
    jobs = window()
    jobs.take(12, size=1)
    jobs.take(15, size=1)
    jobs.finish(12)
    assert jobs.committable.offset == 15


def test_the_span_counts_from_the_job_that_hangs_whatever_ended_behind_it():
    jobs = window()
    for offset in range(10, 1_010):
        jobs.take(offset, size=1)
        if offset > 10:
            jobs.finish(offset)
    assert (len(jobs), jobs.span) == (1, 1_000)
    assert jobs.committable_after(10).offset == 1_010
    jobs.finish(10)
    assert jobs.span == 0


def test_sizes_add_up():
    jobs = window()
    jobs.take(10, size=5)
    jobs.take(11, size=7)
    jobs.finish(10)
    assert (jobs.size, len(jobs)) == (7, 1)


@given(order=st.permutations(range(12)))
def test_whatever_the_order_of_ends_no_unfinished_job_is_passed(order):
    jobs = window(0)
    for offset in range(12):
        jobs.take(offset, size=1)
    unfinished = set(range(12))
    for offset in order:
        jobs.finish(offset)
        unfinished.discard(offset)
        assert jobs.committable.offset == min(unfinished, default=12)
