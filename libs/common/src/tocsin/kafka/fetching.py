"""How much a consumer lets gather at the broker before it is answered."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetching:
    """The broker answers once there are ``least_bytes``, and after ``wait`` seconds at the latest.

    ``least_bytes`` counts no further than one partition's answer may hold, or a single busy one would always wait.
    """

    least_bytes: int = 1
    wait: float = 0.5


AT_ONCE = Fetching()
