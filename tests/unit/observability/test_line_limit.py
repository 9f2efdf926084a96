"""What repeats is said a few times a minute, and how often it was not said."""

import io
import json
import logging
import random
from collections import deque
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import REGISTRY
from tests.log_lines import lines_of

from tocsin.observability import get_logger
from tocsin.observability.line_limit import (
    MOST,
    OF_CHANGES,
    OF_LIBRARIES,
    OF_OURS,
    WINDOW_SECONDS,
    LineLimit,
)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lines(clock: Clock) -> Iterator[io.StringIO]:
    """Where lines go; the process's logging is as before afterwards."""
    with lines_of("ledger") as out:
        (handler,) = logging.getLogger().handlers
        handler.filters = [
            LineLimit(clock) if isinstance(each, LineLimit) else each for each in handler.filters
        ]
        yield out


def read(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_library_that_repeats_itself_is_heard_three_times_a_minute(
    lines: io.StringIO, clock: Clock
) -> None:
    library = logging.getLogger("aiokafka.client")

    def says(node: int) -> None:
        library.warning("Unable connect to node with id %s", node)

    before = REGISTRY.get_sample_value("tocsin_log_lines_suppressed_total") or 0
    for node in range(200):
        says(node)
        library.error("Unable to update metadata from %s", node)
    assert len(read(lines)) == 2 * OF_LIBRARIES
    assert REGISTRY.get_sample_value("tocsin_log_lines_suppressed_total") == before + 2 * (200 - OF_LIBRARIES)
    clock.now = WINDOW_SECONDS
    says(7)
    says(8)
    first, second = read(lines)[-2:]
    assert (first["event"], first["suppressed"]) == ("Unable connect to node with id 7", 200 - OF_LIBRARIES)
    assert "suppressed" not in second


def test_sentences_that_a_library_fills_in_itself_are_one_by_their_place(lines: io.StringIO) -> None:
    library = logging.getLogger("somebody")
    for number in range(50):
        library.warning(f"lost {number}")
    assert len(read(lines)) == OF_LIBRARIES


def test_our_own_warnings_repeat_twenty_times_and_what_tells_of_changes_forty_times(
    lines: io.StringIO, clock: Clock
) -> None:
    log = get_logger("tocsin.channel.outcome_writer")
    for number in range(100):
        log.warning("outcomes not stored yet", outcomes=number)
        log.info("workflow saved", workflow=str(number))
    said = [line["event"] for line in read(lines)]
    assert (said.count("outcomes not stored yet"), said.count("workflow saved")) == (OF_OURS, OF_CHANGES)
    log.error("something else")
    assert read(lines)[-1]["event"] == "something else"
    clock.now = WINDOW_SECONDS
    log.warning("outcomes not stored yet", outcomes=0)
    assert read(lines)[-1]["suppressed"] == 100 - OF_OURS


LEVELS = (logging.INFO, logging.WARNING, logging.ERROR)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_said_no_minute_has_more_than_a_hundred_lines(clock: Clock, seed: int) -> None:
    """Any mixture of levels, sentences and paces, over many minutes."""
    chance = random.Random(seed)
    limit, written = LineLimit(clock), deque[float]()
    pace = chance.choice([0.001, 0.05, 0.3])
    for _ in range(10_000):
        clock.now += chance.random() * pace
        name = chance.choice(["tocsin.kafka", "aiokafka", "uvicorn.error"])
        said = {"event": f"sentence {chance.randrange(200)}"}
        record = logging.makeLogRecord(
            {"name": name, "levelno": chance.choice(LEVELS), "msg": said, "lineno": chance.randrange(200)}
        )
        if limit.filter(record):
            written.append(clock.now)
            while clock.now - written[0] >= WINDOW_SECONDS:
                written.popleft()
        assert len(written) <= MOST


@pytest.mark.parametrize(
    ("flood", "matters"),
    [(logging.INFO, logging.WARNING), (logging.INFO, logging.ERROR), (logging.WARNING, logging.ERROR)],
)
def test_a_flood_leaves_room_for_the_line_that_matters(clock: Clock, flood: int, matters: int) -> None:
    limit = LineLimit(clock)

    def says(level: int, event: str) -> bool:
        record = {"name": "tocsin.kafka", "levelno": level, "msg": {"event": event}}
        return limit.filter(logging.makeLogRecord(record))

    passed = sum(says(flood, f"a sentence of its own {number}") for number in range(1_000))
    assert passed < MOST
    assert says(matters, "what matters")


def test_a_process_that_is_watched_closely_writes_every_line_below_info(clock: Clock) -> None:
    limit = LineLimit(clock)
    record = {"name": "tocsin.kafka", "levelno": logging.DEBUG, "msg": {"event": "step"}}
    assert all(limit.filter(logging.makeLogRecord(record)) for _ in range(1_000))
