"""What repeats is said a few times a minute, and how often it was not said."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from prometheus_client import REGISTRY

from tocsin.observability import configure_logging, get_logger
from tocsin.observability.line_limit import OF_LIBRARIES, OF_OURS, WINDOW_SECONDS, LineLimit


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
    root = logging.getLogger()
    handlers, level, config = root.handlers[:], root.level, structlog.get_config()
    out = io.StringIO()
    configure_logging("ledger", json=True, stream=out)
    (handler,) = root.handlers
    handler.filters = [LineLimit(clock) if isinstance(one, LineLimit) else one for one in handler.filters]
    yield out
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**config)


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


def test_our_own_warnings_repeat_twenty_times_and_what_tells_of_changes_always(
    lines: io.StringIO, clock: Clock
) -> None:
    log = get_logger("tocsin.channel.outcome_writer")
    for number in range(100):
        log.warning("outcomes not stored yet", outcomes=number)
        log.info("workflow saved", workflow=str(number))
    said = [line["event"] for line in read(lines)]
    assert (said.count("outcomes not stored yet"), said.count("workflow saved")) == (OF_OURS, 100)
    log.error("something else")
    assert read(lines)[-1]["event"] == "something else"
    clock.now = WINDOW_SECONDS
    log.warning("outcomes not stored yet", outcomes=0)
    assert read(lines)[-1]["suppressed"] == 100 - OF_OURS
