"""How many a second: a token bucket, without a clock of its own."""


class TokenBucket:
    """`rate` tokens a second, at most `burst` of them; full at first. In any t seconds at most rate * t + burst are taken.

    Times are seconds on one clock that does not go back.
    """

    __slots__ = ("_burst", "_rate", "_since", "_tokens")

    def __init__(self, *, rate: float, burst: float, now: float) -> None:
        if rate <= 0 or burst < 1:
            raise ValueError("A bucket has a rate above 0 and room for a whole token.")
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._since = now

    @property
    def burst(self) -> float:
        """How many it holds when it is full."""
        return self._burst

    def wait(self, now: float, *, tokens: float = 1.0) -> float:
        """Seconds until so many are there, 0 if they are."""
        self._fill(now)
        return max(0.0, (tokens - self._tokens) / self._rate)

    def take(self, now: float, *, tokens: float = 1.0) -> None:
        """Take so many, one of which is there; the bucket owes what was not, and whoever comes next waits for it."""
        self._fill(now)
        self._tokens -= tokens

    def give_back(self, now: float) -> None:
        """One that was taken was not needed."""
        self._fill(now)
        self._tokens = min(self._burst, self._tokens + 1.0)

    def _fill(self, now: float) -> None:
        self._tokens = min(self._burst, self._tokens + (now - self._since) * self._rate)
        self._since = now
