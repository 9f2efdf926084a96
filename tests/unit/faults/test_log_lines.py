"""How loud a process was: the most lines within any minute."""

from datetime import UTC, datetime

import pytest

from log_lines import busiest, busiest_minutes, last_error, sizes


@pytest.mark.parametrize(
    ("times", "most"),
    [
        ([], 0),
        ([0.0], 1),
        ([0.0, 30.0, 59.9], 3),
        ([0.0, 60.0, 120.0], 1),
        ([0.0, 1.0, 61.5, 62.0, 62.5], 3),
    ],
)
def test_busiest(times, most):
    assert busiest(times) == most


def test_lines_before_the_scenario_do_not_count(tmp_path):
    log = tmp_path / "router-1.log"
    log.write_text('{"timestamp": "2026-01-01T00:00:00.000000Z"}\n' * 5)
    begun = sizes([log, tmp_path / "no-log-yet.log"])
    with log.open("a") as file:
        file.write('{"timestamp": "2026-01-01T00:00:01.000000Z"}\nno JSON counts, too\n')
    assert busiest_minutes({log: []}, begun) == {"router-1": 2}
    assert busiest_minutes({log: []}, {}) == {"router-1": 7}


def test_each_life_of_an_instance_counts_by_itself(tmp_path):
    log = tmp_path / "router-1.log"
    log.write_text("".join(f'{{"timestamp": "1970-01-01T00:00:{second:02}Z"}}\n' for second in range(1, 9)))
    assert busiest_minutes({log: [0.5, 5.5]}, {}) == {"router-1": 5}


def test_the_last_error_up_to_a_moment_says_why_a_process_ended(tmp_path):
    log = tmp_path / "router-1.log"
    log.write_text(
        '{"timestamp": "2026-01-01T00:00:01Z", "level": "error", "reason": "an earlier one"}\n'
        '{"timestamp": "2026-01-01T00:00:02Z", "level": "error", "reason": "the database is away"}\n'
        "Traceback (most recent call last):\n"
        '{"timestamp": "2026-01-01T00:00:03Z", "level": "info", "event": "ended"}\n'
        '{"timestamp": "2026-01-01T00:00:09Z", "level": "error", "reason": "of its next life"}\n'
    )
    assert last_error(log, datetime(2026, 1, 1, 0, 0, 4, tzinfo=UTC).timestamp()) == "the database is away"
    assert last_error(log, 0.0) == ""
