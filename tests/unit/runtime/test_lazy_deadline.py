"""A deadline passes when it was set for, and only then. Each test waits for the passing of a later one."""

import asyncio

from tocsin.runtime.lazy_deadline import LazyDeadline

SOON, LATER, NEVER = 0.005, 0.02, 3600.0


class Passed(asyncio.Event):
    """Counts how often."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def note(self) -> None:
        self.times.append(asyncio.get_running_loop().time())
        self.set()


def after(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


async def later(seconds: float = LATER) -> None:
    passed = Passed()
    LazyDeadline(passed.note).set(after(seconds))
    await passed.wait()


async def test_it_passes_once_and_can_be_set_again() -> None:
    passed = Passed()
    deadline = LazyDeadline(passed.note)
    for times in (1, 2):
        until = after(SOON)
        deadline.set(until)
        await passed.wait()
        passed.clear()
        assert len(passed.times) == times
        assert passed.times[-1] >= until
    await later()
    assert len(passed.times) == 2


async def test_what_is_cleared_or_ended_does_not_pass() -> None:
    passed = Passed()
    cleared, ended = LazyDeadline(passed.note), LazyDeadline(passed.note)
    cleared.set(after(SOON))
    ended.set(after(SOON))
    cleared.clear()
    ended.end()
    await later()
    assert passed.times == []


async def test_what_is_put_off_passes_when_it_was_put_off_to() -> None:
    passed = Passed()
    deadline = LazyDeadline(passed.note)
    deadline.set(after(SOON))
    until = after(LATER)
    deadline.clear()
    deadline.set(until)
    await passed.wait()
    assert len(passed.times) == 1
    assert passed.times[0] >= until


async def test_a_nearer_one_passes_though_a_farther_one_was_set_before() -> None:
    passed = Passed()
    deadline = LazyDeadline(passed.note)
    deadline.set(after(NEVER))
    deadline.clear()
    deadline.set(after(SOON))
    await passed.wait()
