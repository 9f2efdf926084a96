"""How long this process may still act for what it holds."""

from collections.abc import Awaitable, Callable

from tocsin.runtime.clock import Clock


class Lease:
    """Good while now - the sending of the last good heartbeat of this generation < ``seconds``.

    The sending counts, not the answer: the broker's own clock starts no earlier. Before the first good
    heartbeat of a generation there is no lease. The clock runs on while a process is frozen.
    """

    def __init__(self, *, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._generation: int | None = None
        self._sent: float | None = None

    def begin(self, generation: int) -> None:
        """An assignment of this generation is active; heartbeats of former ones count no more."""
        self._generation = generation
        self._sent = None

    def end(self) -> None:
        """The assignment is over, or this member was expelled."""
        self._generation = None
        self._sent = None

    async def beat(self, send: Callable[[], Awaitable[bool]], generation: Callable[[], int]) -> bool:
        """Send a heartbeat and note it when it is good: no error or REBALANCE_IN_PROGRESS, in this generation."""
        sent, before = self._clock.monotonic(), generation()
        good = await send()
        if good and before == self._generation == generation():
            self._sent = sent
        return good

    @property
    def age(self) -> float | None:
        """Seconds since the last good heartbeat was sent; None before the first."""
        return None if self._sent is None else self._clock.monotonic() - self._sent

    def ok(self) -> bool:
        """Whether this process may still act."""
        age = self.age
        return age is not None and age < self._seconds
