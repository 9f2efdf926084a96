"""CPU time of work, for tests that hold what a tenant writes to a bound."""

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Result = TypeVar("Result")
TRIES = 3


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """What the collector does with the objects of all other tests is no time of the work; services freeze theirs."""
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


def cpu_seconds(work: Callable[[], Result]) -> tuple[Result, float]:
    """What the work yields, and the seconds of CPU time that this thread spent on it."""
    with no_garbage_collection():
        began = time.thread_time()
        result = work()
        return result, time.thread_time() - began


def takes_at_most(seconds: float, work: Callable[[], Result], what: object = "") -> Result:
    """What the work yields. A machine that is busy with others makes one measurement longer, not three."""
    for _ in range(TRIES):
        result, took = cpu_seconds(work)
        if took < seconds:
            return result
    raise AssertionError(f"{what} took {took:.2f} s of CPU time, and may take {seconds:g}")
