"""The most that one call of a runner may take, whatever the provider's own limit is."""

import asyncio

from tocsin.runtime.lazy_deadline import LazyDeadline


class CallDeadline:
    """Of the current task, for one call after another: `begin`, and `end` when the call has ended. Once the time is over, the call is
    cancelled, as `asyncio.timeout` does it. `close` it with the task."""

    __slots__ = ("_cancellations", "_deadline", "_loop", "_passed", "_task")

    def __init__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a call is made in a task")
        self._task = task
        self._loop = asyncio.get_running_loop()
        self._deadline = LazyDeadline(self._pass)
        self._cancellations = 0
        self._passed = False

    def begin(self, seconds: float) -> None:
        """A call begins."""
        self._cancellations = self._task.cancelling()
        self._passed = False
        self._deadline.set(self._loop.time() + seconds)

    def end(self) -> bool:
        """It has ended. Whether its time was over, and nobody else has cancelled the task meanwhile."""
        self._deadline.clear()
        if not self._passed:
            return False
        self._passed = False
        return self._task.uncancel() <= self._cancellations

    def close(self) -> None:
        """No call begins any more."""
        self._deadline.end()

    def _pass(self) -> None:
        self._passed = True
        self._task.cancel()
