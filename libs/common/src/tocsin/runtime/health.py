"""Whether this process should get work (readiness) and whether its event loop still turns (liveness)."""

from dataclasses import dataclass
from typing import Final

from tocsin.observability import metrics
from tocsin.runtime.clock import Clock, SystemClock


class Check:
    """One condition of readiness, owned by whoever can tell. It begins unready, with the reason `starting`."""

    __slots__ = ("_gauge", "_reason", "name", "note")

    def __init__(self, *, name: str, service: str) -> None:
        self.name: Final = name
        self._reason: str | None = "starting"
        self.note: str | None = None
        """What an operator should know although the condition holds."""
        self._gauge = metrics.ready.labels(service, name)
        self._gauge.set(0)

    def set_ready(self, note: str | None = None) -> None:
        """The condition holds; `note` is what an operator should know all the same. No addresses."""
        self._reason, self.note = None, note
        self._gauge.set(1)

    def set_not_ready(self, reason: str) -> None:
        """The condition does not hold; `reason` is for the operator: what is waited for, or what to do. No addresses."""
        self._reason, self.note = reason, None
        self._gauge.set(0)

    @property
    def is_ready(self) -> bool:
        """Whether the condition holds now."""
        return self._reason is None

    @property
    def reason(self) -> str | None:
        """Why not; None while ready."""
        return self._reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Liveness:
    """Whether the loop turns: `late` is how late its last timer was and `since` how long ago that was, in seconds."""

    alive: bool
    late: float
    since: float


class Health:
    """The checks of one process. Ready when it has checks and all are ready; alive while its loop keeps time."""

    def __init__(
        self, *, service: str = "tocsin", clock: Clock | None = None, loop_bound: float = 15.0
    ) -> None:
        """`loop_bound`: seconds without a turn of the event loop after which the process counts as stuck."""
        self.service: Final = service
        self._clock = clock or SystemClock()
        self._loop_bound = loop_bound
        self._checks: dict[str, Check] = {}
        self._turned_at: float | None = None
        self._late = 0.0
        self.halted: str | None = None
        """Why this service must not work any more, though its process stays; set once, by the runtime. What it holds in
        memory is not kept up to date from then on, so it answers nothing but its probes."""

    def check(self, name: str) -> Check:
        """The check of this name; the same one each time it is asked for."""
        if name not in self._checks:
            self._checks[name] = Check(name=name, service=self.service)
        return self._checks[name]

    @property
    def is_ready(self) -> bool:
        """Whether all checks are ready."""
        return bool(self._checks) and all(check.is_ready for check in self._checks.values())

    def reasons(self) -> dict[str, str | None]:
        """Every check with its reason; None is ready."""
        return {name: check.reason for name, check in self._checks.items()}

    def notes(self) -> dict[str, str]:
        """What an operator should know of checks that are ready."""
        return {name: check.note for name, check in self._checks.items() if check.note is not None}

    def turned(self, late: float) -> None:
        """The loop turned, `late` seconds behind its timer."""
        self._turned_at = self._clock.monotonic()
        self._late = late

    def liveness(self) -> Liveness:
        """Alive until the loop's timer has been silent for longer than the bound; before its first turn it is alive."""
        if self._turned_at is None:
            return Liveness(alive=True, late=0.0, since=0.0)
        since = self._clock.monotonic() - self._turned_at
        return Liveness(alive=since < self._loop_bound, late=self._late, since=since)
