"""What must not be sent any more because its producer took it back: the records of `cancels`, and what they reach.

A cancellation names one notification, or a key that its producer gave to events (`cancel_key`). Of a key it reaches the events that the
broker stored before the cancellation. Of a notification it reaches that, too, and up to `CLOCK_TOLERANCE_SECONDS` more: whoever
knows a notification's id has sent its event before, whatever the clocks of two brokers say. What is sent under the same id a day later
is another message. A cancellation by a test key reaches tests alone.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final, NamedTuple

import msgspec

from tocsin.contracts.events import CancellationRequest
from tocsin.contracts.intents import Intent
from tocsin.contracts.limits import CLOCK_TOLERANCE_SECONDS

_TOLERANCE: Final = timedelta(seconds=CLOCK_TOLERANCE_SECONDS)
_encode = msgspec.json.Encoder().encode


class Cancellation(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """One record of `cancels`, keyed `tenant/notification/id` or `tenant/cancel/key`. It names one of the two."""

    version: int = 1
    tenant: str
    notification_id: str | None = None
    key: str | None = None
    test: bool = False
    """Whether it reaches tests alone."""
    requested_at: datetime
    """When the broker stored the event that asks for it (log append), UTC."""
    origin: str
    """The record of that event: `topic/partition/offset`."""

    @property
    def record_key(self) -> bytes:
        """Its Kafka key."""
        named = (
            f"cancel/{self.key}" if self.notification_id is None else f"notification/{self.notification_id}"
        )
        return f"{self.tenant}/{named}".encode()

    @property
    def hash(self) -> bytes:
        """16 bytes that stand for all that it names, under which it is looked for."""
        if self.notification_id is None:
            return _hash(self.tenant, "cancel", self.key or "", test=self.test)
        return _hash(self.tenant, "notification", self.notification_id, test=self.test)


class CancellationLookup(NamedTuple):
    """A cancellation with this hash reaches the intent if it was requested later than `after`."""

    hash: bytes
    after: datetime


def lookups_of(intent: Intent) -> Iterator[CancellationLookup]:
    """Every cancellation that could reach this intent."""
    for test in (False, True) if intent.test else (False,):
        after = intent.event_time - _TOLERANCE
        yield CancellationLookup(
            _hash(intent.tenant, "notification", intent.notification_id, test=test), after
        )
        if intent.cancel_key is not None:
            yield CancellationLookup(
                _hash(intent.tenant, "cancel", intent.cancel_key, test=test), intent.event_time
            )


def cancellation_of(
    request: CancellationRequest, *, tenant: str, test: bool, requested_at: datetime, origin: str
) -> Cancellation:
    """The cancellation that an event asks for."""
    return Cancellation(
        tenant=tenant,
        notification_id=request.notification_id,
        key=request.key,
        test=test,
        requested_at=requested_at.astimezone(UTC),
        origin=origin,
    )


def _hash(tenant: str, kind: str, name: str, *, test: bool) -> bytes:
    named = (tenant, kind, name, "test") if test else (tenant, kind, name)
    return sha256(_encode(named)).digest()[:16]
