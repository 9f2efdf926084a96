"""An offset is committed below the lowest unfinished job, with the place where its outcomes begin."""

from hypothesis import given
from hypothesis import strategies as st

from tocsin.channel.offset_tracker import CommitPoint, OffsetTracker


def tracker(offset: int = 10, *, replayed_below: int = 0) -> OffsetTracker:
    return OffsetTracker(offset=offset, outcome_position=3, outcome_end=7, replayed_below=replayed_below)


def test_nothing_taken_commits_where_it_stands_with_the_outcome_log_s_end():
    assert tracker().commit_point == CommitPoint(10, 7)


def test_the_lowest_unfinished_job_holds_the_offset_and_its_own_outcome_position():
    jobs = tracker()
    jobs.take(10, size=1)
    jobs.outcome_stored(20)
    jobs.take(11, size=1)
    jobs.finish(11)
    assert jobs.commit_point == CommitPoint(10, 7)
    jobs.finish(10)
    assert jobs.commit_point == CommitPoint(12, 21)


def test_a_job_a_former_owner_may_have_taken_keeps_the_position_it_was_read_back_from():
    jobs = tracker(replayed_below=11)
    jobs.take(10, size=1)
    jobs.take(11, size=1)
    assert jobs.commit_point == CommitPoint(10, 3)
    jobs.finish(10)
    assert jobs.commit_point == CommitPoint(11, 7)


def test_offsets_may_have_gaps_where_transactions_left_their_markers():
    jobs = tracker()
    jobs.take(12, size=1)
    jobs.take(15, size=1)
    jobs.finish(12)
    assert jobs.commit_point.offset == 15


def test_the_span_counts_from_the_job_that_hangs_whatever_ended_behind_it():
    jobs = tracker()
    for offset in range(10, 1_010):
        jobs.take(offset, size=1)
        if offset > 10:
            jobs.finish(offset)
    assert (len(jobs), jobs.in_flight_span) == (1, 1_000)
    assert jobs.commit_point_after(10).offset == 1_010
    jobs.finish(10)
    assert jobs.in_flight_span == 0


def test_sizes_add_up():
    jobs = tracker()
    jobs.take(10, size=5)
    jobs.take(11, size=7)
    jobs.finish(10)
    assert (jobs.size, len(jobs)) == (7, 1)


@given(order=st.permutations(range(12)))
def test_whatever_the_order_of_ends_no_unfinished_job_is_passed(order):
    jobs = tracker(0)
    for offset in range(12):
        jobs.take(offset, size=1)
    unfinished = set(range(12))
    for offset in order:
        jobs.finish(offset)
        unfinished.discard(offset)
        assert jobs.commit_point.offset == min(unfinished, default=12)
