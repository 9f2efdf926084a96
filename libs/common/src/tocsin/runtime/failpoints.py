"""Named places where a test may delay, freeze or kill the process; in production each is one awaited no-op.

The setting `FAILPOINTS` arms them in a process: `after_claim=kill`, `before_outcome:7=freeze` (the seventh time it is reached),
`after_commit=delay 5`, several with commas between. Each goes off once. Never set it where messages matter.
"""

import asyncio
import os
import re
import signal
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, Protocol

from pydantic import BeforeValidator
from pydantic_settings import NoDecode

from tocsin.observability import get_logger

log = get_logger(__name__)

NAMES: Final = {
    "before_fence": "A shard was assigned; its former owner is not fenced yet.",
    "after_fence": "The former owner is fenced; its offsets are not read yet.",
    "in_revoke": "Shards are being given back: nothing more is taken; what is in flight has not ended yet.",
    "after_claim": "Router: events are claimed in PostgreSQL; the Kafka transaction has not begun.",
    "after_produce": "A shard's transaction: its records are acknowledged; its offsets are not added yet.",
    "after_offsets": "A shard's transaction: its offsets are added; it is not committed.",
    "before_commit": "A shard's transaction: its commit is not sent yet.",
    "after_commit": "A shard's transaction is committed; nobody in the process knows yet.",
    "after_intent": "Dispatcher, `at_most_once`: the intent to send stands on `status`; the lease is looked at next, then comes the call.",
    "before_call": "Dispatcher: a message's turn has come; lease, expiry and version are looked at next, then comes the call.",
    "after_call": "Dispatcher: the provider has answered; nobody has noted it yet.",
    "before_outcome": "Dispatcher: outcomes (and intents to send) are about to be published to `status`.",
    "after_outcome": "Dispatcher: outcomes (and intents to send) stand on `status`; no offset moves for them yet.",
    "while_rows_are_copied": "Ledger: PostgreSQL takes the rows of a batch; not all of them are sent yet.",
    "before_rows_commit": "Ledger: rows and positions are written in PostgreSQL; they are not committed.",
    "after_rows_commit": "Ledger: rows and positions are committed; nobody in the process knows yet.",
    "redrive_after_page_stored": "Ledger: a page of a re-drive is stored in PostgreSQL; none of its records is written.",
    "redrive_after_page_written": "Ledger: the records of a re-drive's page are acknowledged; the page is not counted.",
    "redrive_after_page_counted": "Ledger: a page of a re-drive is counted; the next one is not stored.",
    "relay_after_produce": "Relay: states are acknowledged in its Kafka transaction.",
    "relay_before_commit": "Relay: the commit of its Kafka transaction is not sent yet.",
    "relay_after_commit": "Relay: its Kafka transaction is committed; nobody in the process knows yet.",
    "relay_before_delete": "Relay: what was published is known; its rows of the outbox are not deleted yet.",
    "after_publish": "Ingest: events are acknowledged; the request is not answered yet.",
}
"""Each failpoint, and what has happened when it is reached."""

_FORM: Final = re.compile(
    r"([a-z_]+)(?::([1-9]\d{0,8}))?=(?:(kill|freeze)|delay (\d{1,6}(?:\.\d{1,3})?))"
).fullmatch


class Failpoints(Protocol):
    """Told each time a place of `NAMES` is reached; may wait there, raise there, or end the process there."""

    async def reach(self, name: str) -> None:
        """Return to let the work go on."""
        ...


class NoFailpoints:
    """What production uses."""

    async def reach(self, name: str) -> None:
        """Go on."""


NO_FAILPOINTS: Failpoints = NoFailpoints()


@dataclass(frozen=True, slots=True)
class ArmedPlace:
    """What happens the `time`-th time that the place is reached; `seconds` is how long a delay takes."""

    name: str
    time: int
    action: Literal["kill", "freeze", "delay"]
    seconds: float = 0.0

    def __str__(self) -> str:
        what = f"delay {self.seconds:g}" if self.action == "delay" else self.action
        return f"{self.name}:{self.time}={what}"


def _parse(text: Any) -> Any:
    if not isinstance(text, str):
        return text
    return [_armed_place(part.strip()) for part in text.split(",") if part.strip()]


def _armed_place(text: str) -> ArmedPlace:
    form = _FORM(text)
    if form is None:
        raise ValueError(
            "write name=kill, name=freeze or name=delay SECONDS; name:7=kill is the seventh time"
        )
    name, time, action, seconds = form.groups()
    if name not in NAMES:
        raise ValueError(f"there is no failpoint of that name; the names are {', '.join(NAMES)}")
    if seconds is not None:
        return ArmedPlace(name, int(time or 1), "delay", float(seconds))
    return ArmedPlace(name, int(time or 1), "kill" if action == "kill" else "freeze")


ArmedPlaces = Annotated[list[ArmedPlace], NoDecode, BeforeValidator(_parse)]
"""Armed failpoints in one variable, with commas between."""


def arm(places: Sequence[ArmedPlace]) -> Failpoints:
    """What goes off at these places, counted over the whole process; `NO_FAILPOINTS` without any."""
    return ArmedFailpoints(places) if places else NO_FAILPOINTS


class ArmedFailpoints:
    """Kills, freezes or delays the process, once at each armed place."""

    def __init__(self, places: Sequence[ArmedPlace]) -> None:
        self._places = {(place.name, place.time): place for place in places}
        self._reached: Counter[str] = Counter()

    async def reach(self, name: str) -> None:
        """Go off if this is an armed time; a frozen process goes on here after SIGCONT."""
        self._reached[name] += 1
        place = self._places.get((name, self._reached[name]))
        if place is None:
            return
        log.warning("failpoint goes off", failpoint=str(place))
        if place.action == "delay":
            await asyncio.sleep(place.seconds)
        else:
            os.kill(os.getpid(), signal.SIGKILL if place.action == "kill" else signal.SIGSTOP)


class PrefixedFailpoints:
    """The places of a part that works like another one in the same process, under names of its own."""

    def __init__(self, failpoints: Failpoints, *, prefix: str) -> None:
        self._failpoints = failpoints
        self._prefix = prefix

    async def reach(self, name: str) -> None:
        """Reach the place under its full name."""
        await self._failpoints.reach(self._prefix + name)
