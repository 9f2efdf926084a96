"""How often, and how soon, a group is joined anew after this process lost the ownership of its shards."""

import random
from collections import deque

from tocsin.runtime.clock import Clock

HOUR = 3600.0
# Four times as long after each loss of the last hour, so that two owners in doubt do not fence each other in a circle.
FIRST_PAUSE = 1.0


class Rejoins:
    """Allows ``most`` within an hour: a process that loses its partitions more often than that is not well."""

    def __init__(self, most: int, *, clock: Clock) -> None:
        self._most = most
        self._clock = clock
        self._losses: deque[float] = deque(maxlen=most + 1)

    def note_loss(self) -> float | None:
        """The seconds to wait before the group is joined anew, or None when it was lost too often."""
        now = self._clock.monotonic()
        self._losses.append(now)
        times = sum(now - moment < HOUR for moment in self._losses)
        if times > self._most:
            return None
        return FIRST_PAUSE * 4.0 ** (times - 1) * random.uniform(0.75, 1.0)
