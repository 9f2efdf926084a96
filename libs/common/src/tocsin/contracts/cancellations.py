"""What must not be sent any more because its producer took it back: the records of `cancels`, and what they reach.

A cancellation names one notification, or a key that its producer gave to events (`cancel_key`). Of a key it reaches the events that the
broker stored before the cancellation. Of a notification it reaches that, too, and up to `CLOCK_TOLERANCE_SECONDS` more: whoever
knows a notification's id has sent its event before, whatever the clocks of two brokers say. What is sent under the same id a day later
is another message. A cancellation by a test key reaches tests alone.
"""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final

import msgspec

from tocsin.contracts.events import CancellationRequest
from tocsin.contracts.intents import Intent
from tocsin.contracts.limits import CLOCK_TOLERANCE_SECONDS

_TOLERANCE: Final = timedelta(seconds=CLOCK_TOLERANCE_SECONDS)
_NONE: Final = timedelta(0)


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
        if self.notification_id is None:
            return _key(self.tenant, self.key or "")
        return _notification(self.tenant, self.notification_id)

    @property
    def name(self) -> bytes:
        """All that it names, under which it is looked for."""
        return _of_tests(self.record_key) if self.test else self.record_key

    @property
    def hash(self) -> bytes:
        """16 bytes that stand for its name."""
        return cancellation_hash(self.name)


def cancellation_hash(name: bytes) -> bytes:
    """16 bytes of SHA-256 that stand for a cancellation's name."""
    return sha256(name).digest()[:16]


def names_of(intent: Intent) -> list[tuple[bytes, timedelta]]:
    """The name of every cancellation that could reach this intent, and how long before the intent's event it may have been requested at
    most."""
    names = [(_notification(intent.tenant, intent.notification_id), _TOLERANCE)]
    if intent.cancel_key is not None:
        names.append((_key(intent.tenant, intent.cancel_key), _NONE))
    if intent.test:
        names += [(_of_tests(name), tolerance) for name, tolerance in names]
    return names


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


# No tenant's id has a slash or a blank.
def _notification(tenant: str, notification_id: str) -> bytes:
    return f"{tenant}/notification/{notification_id}".encode()


def _key(tenant: str, key: str) -> bytes:
    return f"{tenant}/cancel/{key}".encode()


def _of_tests(name: bytes) -> bytes:
    return b"test " + name
