"""What happens again and again is a line at once, and then a count each interval."""

import asyncio
from contextvars import ContextVar
from typing import Any

from tocsin.observability import Tally
from tocsin.observability.tally import AT_ONCE, LARGEST, MOST_KINDS
from tocsin.testing.until import until

Lines = list[tuple[str | None, Any, int, float]]


def tally(lines: Lines) -> Tally[str]:
    return Tally[str](lambda *line: lines.append(line), seconds=3600)


async def test_the_first_is_told_at_once_and_the_others_as_a_number() -> None:
    lines: Lines = []
    counted = tally(lines)
    for number in range(512):
        counted.note("unreachable", number)
    assert lines == [("unreachable", 0, 1, 0.0)]
    counted._interval_over()
    assert lines[1:] == [("unreachable", 511, 511, 3600)]
    counted.close()


async def test_what_goes_on_is_no_first_one_again() -> None:
    lines: Lines = []
    counted = tally(lines)
    for _ in range(3):
        counted.note("unreachable")
        counted.note("unreachable")
        counted._interval_over()
    assert [times for _, _, times, _ in lines] == [1, 1, 2, 2]
    counted.close()


async def test_after_an_interval_without_any_the_next_is_a_first_one() -> None:
    lines: Lines = []
    counted = tally(lines)
    counted.note("unreachable")
    counted._interval_over()
    counted.note("unreachable")
    assert lines == [("unreachable", None, 1, 0.0)] * 2
    counted.close()


async def test_kinds_that_somebody_makes_up_bring_no_more_lines() -> None:
    lines: Lines = []
    counted = tally(lines)
    for number in range(MOST_KINDS + 500):
        counted.note(f"kind {number}")
    for _ in range(3):
        counted.note("kind 7")
    counted.close()
    assert len(lines) == AT_ONCE + LARGEST + 1
    assert lines[AT_ONCE][:3] == ("kind 7", None, 4)
    assert lines[-1][0] is None
    assert sum(times for _, _, times, _ in lines) == MOST_KINDS + 503


async def test_the_interval_ends_by_itself() -> None:
    told = asyncio.Event()
    counted = Tally[str](
        lambda _kind, _sample, _times, seconds: told.set() if seconds else None, seconds=0.01
    )
    counted.note("throttled")
    counted.note("throttled")
    async with asyncio.timeout(10):
        await told.wait()
    counted.close()


async def test_a_count_bears_the_ids_of_no_message() -> None:
    message = ContextVar[str]("message", default="none")
    ids: list[str] = []
    counted = Tally[str](lambda *_: ids.append(message.get()), seconds=0.01)
    message.set("n-1")
    counted.note("throttled")
    counted.note("throttled")
    await until(lambda: len(ids) == 2)
    counted.close()
    assert ids == ["n-1", "none"]
