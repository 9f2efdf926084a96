"""A ground on which hours pass in minutes."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path

from fast_clock import ORIGIN, SPEED, fast
from ground import PLACES, Ground

_PROGRAM = Path(__file__).with_name("fast_clock.py")


class FastGround(Ground):
    """The services' wall clocks run `CLOCK_SPEED` times as fast as the broker's, which is right; that is a setting of the scenario."""

    def __init__(
        self, folder: Path, *, settings: Mapping[str, str] | None = None, places: int = PLACES
    ) -> None:
        self._origin = time.time()
        self._speed = float((settings or {})[SPEED])
        super().__init__(folder, settings={**(settings or {}), ORIGIN: str(self._origin)}, places=places)

    def shown(self, moment: float) -> float:
        """What the services' clocks show at this moment, both in seconds since 1970."""
        return fast(moment, origin=self._origin, speed=self._speed)

    def program(self, module: str) -> list[str]:
        """The command line of a service."""
        return [sys.executable, str(_PROGRAM), module]
