"""What a scenario is: some load, some harm, and what may come of it."""

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from checker import Taken
from endings import Endings
from ground import PLACES, TENANT, UNRECORDED, Ground
from load import Load, Sent
from takings import size, takings
from tocsin.contracts.vocabulary import Lane
from tocsin.dev.api import Api
from tocsin.testing.log_ends import log_ends

RECOVERY: Final = 10.0
"""Seconds within which critical messages flow again after the kill of any one process, on a machine with a free core."""
PATIENCE: Final = 150.0
"""Seconds after the load for the last message to end."""


@dataclass
class Run:
    """One run of a scenario: what it does goes through here."""

    ground: Ground
    load: Load
    endings: Endings
    faults: list[float] = field(default_factory=list)
    duplicates: int = 0
    """So many messages may be handed over once more."""
    exactly: int | None = None
    """So many are, no more and no less."""
    complaints: list[str] = field(default_factory=list)
    """What the scenario itself found wrong, a sentence each."""
    delays: list[str] = field(default_factory=list)
    """What took too long, a sentence each."""
    notes: list[str] = field(default_factory=list)
    """What it wants to say in the table."""
    given_up: set[str] = field(default_factory=set)
    """Notifications that an operator has given up: nobody looks for them."""

    def __post_init__(self) -> None:
        self._former = len(self.load.sent)
        self._begins = size(self.ground.sinks.accepted)

    @property
    def sent(self) -> list[Sent]:
        """What was accepted in this run."""
        return self.load.sent[self._former :]

    @property
    def taken(self) -> list[Taken]:
        """What the far ends have taken of it so far, and what nobody has ever sent."""
        former = {(message.way, message.sequence) for message in self.load.sent[: self._former]}
        so_far = takings(self.ground.sinks.accepted, self._begins)
        return [taking for taking in so_far if (taking.way, taking.sequence) not in former]

    @property
    def ended(self) -> set[str]:
        """Notifications that have ended, in whatever way."""
        return {notification for notification, ends in self.endings.final.items() if ends}

    def all_routed(self, messages: Iterable[Sent]) -> bool:
        """Whether each of them has been decided."""
        return all(message.notification in self.endings.ids for message in messages)

    def all_ended(self, messages: Iterable[Sent]) -> bool:
        """Whether each of them has ended, in whatever way."""
        return self.ended >= {message.notification for message in messages}

    async def ends(self, topic: str) -> dict[int, int]:
        """Where each partition of a topic ends now."""
        return await log_ends(self.ground.kafka, topic)

    def fault(self) -> None:
        """Harm is done now."""
        self.faults.append(time.time())

    def crash_of_a_dispatcher(self, lanes: int = len(Lane)) -> None:
        """One crashes now: what it has begun and not recorded may be sent once more."""
        self.fault()
        self.duplicates += PLACES + UNRECORDED * lanes

    def expect(self, held: bool, otherwise: str) -> None:
        """The run is red unless this held."""
        if not held:
            self.complaints.append(otherwise)

    def expect_in_time(self, held: bool, otherwise: str) -> None:
        """The same for what a busy machine may miss: `make test` leaves it alone."""
        if not held:
            self.delays.append(otherwise)

    async def change(self, method: str, path: str, body: object) -> None:
        """Through the API of a router that is there; it is in force once this returns. Raises StartFailed."""
        async with Api(url=self.ground.urls("router")[0], key=self.ground.keys[TENANT]) as api:
            await api.do(method, path, body)

    def now(self) -> float:
        """Seconds since 1970, as all moments here."""
        return time.time()


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One row of the table."""

    name: str
    play: Callable[[Run], Awaitable[None]]
    about: str
    """One sentence."""
    instances: Mapping[str, int]
    recovery: float | None
    """Seconds that a critical message may wait; twice as much makes the run red. None: nothing is promised."""
    settings: Mapping[str, str]
    """Over those of every service. Scenarios share a ground with those of the same settings and places."""
    places: int
    """Calls at once of each provider instance."""
    ground: type[Ground]
    """Where it is played; scenarios share a ground of one kind."""
    own_ground: bool
    """Whether it harms the ground so much that no other can be played there."""
    nightly: bool
    """Whether it takes too long to be one of the three that a change is tested with."""
    ends: bool
    """Whether messages may end otherwise than as `sent`."""
    patience: float


SCENARIOS: dict[str, Scenario] = {}


def scenario(
    *,
    two: tuple[str, ...] = (),
    recovery: float | None = None,
    settings: Mapping[str, str] | None = None,
    places: int = PLACES,
    ground: type[Ground] = Ground,
    own_ground: bool = False,
    nightly: bool = False,
    ends: bool = False,
    patience: float = PATIENCE,
) -> Callable[[Callable[[Run], Awaitable[None]]], Callable[[Run], Awaitable[None]]]:
    """Makes a function one: its name, with hyphens, and the first line of its docstring. `two` instances run of these services."""

    def register(play: Callable[[Run], Awaitable[None]]) -> Callable[[Run], Awaitable[None]]:
        name = play.__name__.replace("_", "-")
        assert name not in SCENARIOS, f"{name} stands twice"
        SCENARIOS[name] = Scenario(
            name=name,
            play=play,
            about=(play.__doc__ or "").strip().partition("\n")[0],
            instances=dict.fromkeys(two, 2),
            recovery=recovery,
            settings=settings or {},
            places=places,
            ground=ground,
            own_ground=own_ground,
            nightly=nightly,
            ends=ends,
            patience=patience,
        )
        return play

    return register
