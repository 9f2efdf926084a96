"""A recorded case through the code of today, on a clock of the event loop that nobody waits for."""

import asyncio
import importlib
import json
import selectors
from typing import Any

from tests.recordings.recording import STAGES


class _AtOnce(selectors.DefaultSelector):
    """Where a loop would sleep until its next timer, time passes at once."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(None if timeout is None else 0)
        if not ready and timeout is not None:
            self.passed += timeout
        return ready


class _HurriedLoop(asyncio.SelectorEventLoop):
    """A loop whose sleeps and timeouts end at once, in their order: retries are recorded without waiting for them."""

    def __init__(self) -> None:
        self._at_once = _AtOnce()
        super().__init__(self._at_once)

    def time(self) -> float:
        return self._at_once.passed


def outcome_of(stage: str, case: dict[str, Any], base: Any) -> Any:
    """What comes out of the stage for this case, as its recording holds it."""
    if stage not in STAGES:
        raise LookupError(stage)
    adapter = importlib.import_module(f"tests.recordings.{stage}_adapter")
    with asyncio.Runner(loop_factory=_HurriedLoop) as runner:
        outcome = runner.run(adapter.run(case, base))
    return json.loads(
        json.dumps(outcome)
    )  # lists where an adapter has tuples, as when it is read from the file
