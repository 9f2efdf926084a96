"""How many messages a second go to one provider instance, and of one sender: what is configured, shared by all shards of the process."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from tocsin.channel.priority_limiter import RESERVED_ONE_IN
from tocsin.runtime.token_bucket import TokenBucket

MOST_SENDERS: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Of this process: messages a second, and how many at once after a pause. None: no limit."""

    rate: float | None = None
    burst: float = 1.0
    rate_per_sender: float | None = None

    def of_instance(self, *, critical_served: bool, now: float) -> "InstanceRate | None":
        """What counts the instance's messages."""
        if self.rate is None:
            return None
        return InstanceRate(rate=self.rate, burst=self.burst, critical_served=critical_served, now=now)

    def of_senders(self) -> "SenderRates | None":
        """What counts each sender's."""
        return None if self.rate_per_sender is None else SenderRates(rate=self.rate_per_sender)


NO_LIMITS: Final = Rates()


class InstanceRate:
    """All messages of one instance. The lanes beside the critical one leave it `reserved` tokens."""

    def __init__(self, *, rate: float, burst: float, critical_served: bool, now: float) -> None:
        self._bucket = TokenBucket(rate=rate, burst=burst, now=now)
        self._for_others = 1.0 + (burst // RESERVED_ONE_IN if critical_served else 0)

    def wait_of_critical(self, now: float) -> float:
        """Seconds until a message of the critical lane may go out."""
        return self._bucket.wait(now)

    def wait_of_others(self, now: float) -> float:
        """Seconds until a message of another lane may go out, if none of the critical lane does before, and it is not its turn."""
        return self._bucket.wait(now, tokens=self._for_others)

    def take(self, now: float) -> None:
        """A message goes out that may."""
        self._bucket.take(now)

    def give_back(self, now: float) -> None:
        """It did not go out."""
        self._bucket.give_back(now)


class SenderRates:
    """Each sender's messages. A sender that sent nothing for a while is forgotten when there are many."""

    def __init__(self, *, rate: float) -> None:
        self._rate = rate
        self._burst = max(1.0, rate)
        self._buckets: OrderedDict[str | None, TokenBucket] = OrderedDict()

    def take(self, sender: str | None, now: float) -> float:
        """A message of this sender goes out. Returns the seconds until the next may."""
        bucket = self._buckets.get(sender)
        if bucket is None:
            bucket = self._buckets[sender] = TokenBucket(rate=self._rate, burst=self._burst, now=now)
            self._forget_full(now)
        self._buckets.move_to_end(sender)
        bucket.take(now)
        return bucket.wait(now)

    def give_back(self, sender: str | None, now: float) -> None:
        """It did not go out."""
        if (bucket := self._buckets.get(sender)) is not None:
            bucket.give_back(now)

    def _forget_full(self, now: float) -> None:
        """A full bucket says no more than a new one."""
        while len(self._buckets) > MOST_SENDERS:
            oldest = next(iter(self._buckets))
            if self._buckets[oldest].wait(now, tokens=self._burst):
                return
            del self._buckets[oldest]
