"""Identities: the same input gives the same id, in every language and on every re-run.

An id is a UUIDv5 (RFC 9562) under `NAMESPACE`; its name is a JSON array of strings in UTF-8 without white space, in
which only `"`, `\\` and control characters are escaped. `tests/contract/ids.json` holds vectors for other languages.
"""

import re
import uuid
from hashlib import sha1, sha256

import msgspec

NAMESPACE = uuid.UUID("73bc656a-7c69-57e0-ad47-931656154144")
"""Published and fixed (UUIDv5 of the project URL): changing it would change every id."""

INGEST_SOURCE = "tocsin:ingest"
"""The CloudEvents `source` of notifications taken in over HTTP, where the id is the `Idempotency-Key`."""

CANCELLATION_SOURCE = "tocsin:ingest/cancellations"
"""The same of cancellations taken in over HTTP."""
REDRIVE_SOURCE = "tocsin:redrive/"
"""With a re-drive's id behind it: the source under which what it sends again is claimed."""

_TENANT = re.compile(r"[a-z0-9-]{1,63}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_encode = msgspec.json.Encoder().encode
_NAMESPACE_BYTES = NAMESPACE.bytes
_VARIANT = {f"{digit:x}": f"{digit & 0b11 | 0b1000:x}" for digit in range(16)}
"""The digit that holds RFC 9562's variant: its upper two bits are 10."""


def _uuid5(*parts: str) -> str:
    """Cut from the digest's own digits: a message has four ids, and `uuid.UUID` alone takes three times as long."""
    text = sha1(_NAMESPACE_BYTES + _encode(parts), usedforsecurity=False).hexdigest()
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:32]}"


def notification_id(*, tenant: str, source: str, event_id: str, recipient: str, workflow: str) -> str:
    """One notification: one event, one recipient, one workflow."""
    return _uuid5(tenant, source, event_id, recipient, workflow)


def delivery_id(*, notification: str, channel: str, step: str, address_key: str) -> str:
    """One delivery: one address of one notification. A push to three devices is three deliveries."""
    return _uuid5(notification, channel, step, address_key)


def status_id(*, subject: str, status: str, cause: str) -> str:
    """One status of `subject` (a delivery, notification or event id), caused by the record or receipt `cause`."""
    return _uuid5(subject, status, cause)


def run_timer_id(*, notification: str, turn: int) -> str:
    """The timer that a notification waits for in its run, after so many turns; the same when the turn is decided again."""
    return _uuid5(notification, "run", str(turn))


def retry_timer_id(*, delivery: str, cause: str) -> str:
    """The timer of a delivery that is put off by the record `cause`."""
    return _uuid5(delivery, "retry", cause)


def dead_letter_id(*, record: str) -> str:
    """One dead letter; `record` is its own place, `topic/partition/offset`."""
    return _uuid5(record)


def claim_key(*, tenant: str, source: str, event_id: str) -> bytes:
    """The 16 bytes under which an event's identity is claimed: the head of SHA-256 over its JSON array."""
    return sha256(_encode((tenant, source, event_id))).digest()[:16]


def throttle_key(*, tenant: str, workflow: str, recipient: str, test: bool) -> bytes:
    """The 16 bytes under which a workflow's notifications for one recipient are counted, tests apart: the head of SHA-256 over their
    JSON array."""
    return sha256(_encode((tenant, workflow, recipient, test))).digest()[:16]


def valid_tenant(tenant: str) -> bool:
    """True for 1 to 63 characters of `a-z`, `0-9` and `-`."""
    return _TENANT.fullmatch(tenant) is not None


def valid_recipient(recipient: str) -> bool:
    """True for 1 to 256 bytes of UTF-8 without control characters, but for `.` and `..`: clients take those out of every URL."""
    if not 1 <= len(recipient) <= 256 or _CONTROL.search(recipient) or recipient in {".", ".."}:
        return False
    try:
        return len(recipient.encode()) <= 256
    except UnicodeEncodeError:  # a lone surrogate is no text
        return False


def recipient_key(tenant: str, recipient: str) -> bytes:
    """The Kafka key of everything about one recipient: all of it lies in one partition, in order."""
    return f"{tenant}/{recipient}".encode()


def event_key(tenant: str, event_id: str) -> bytes:
    """The Kafka key of records about an event as a whole."""
    return f"{tenant}/{event_id}".encode()
