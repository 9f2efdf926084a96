"""The id of a notification taken in: the caller's `Idempotency-Key`, or a UUIDv7 of our own."""

import os
import uuid

from tocsin.contracts.limits import IDEMPOTENCY_KEY_CHARS
from tocsin.runtime import Clock
from tocsin.web import Fault, Problem, codes

_RULE = f"It must be 1 to {IDEMPOTENCY_KEY_CHARS} printable characters."


def given_id(header: bytes) -> str:
    """The event id an `Idempotency-Key` header holds (UTF-8); raises the 422 problem when it cannot be one."""
    try:
        key = header.decode()
    except UnicodeDecodeError as error:
        raise _refused() from error
    if not 1 <= len(key) <= IDEMPOTENCY_KEY_CHARS or not key.isprintable():
        raise _refused()
    return key


def made_up_id(clock: Clock) -> str:
    """A UUIDv7 (RFC 9562): 48 bits of milliseconds, 74 random bits."""
    value = clock.time_ms() << 80 | int.from_bytes(os.urandom(10))
    value = value & ~(0xF << 76) | 0x7 << 76
    return str(uuid.UUID(int=value & ~(0x3 << 62) | 0x2 << 62))


def _refused() -> Problem:
    fault = Fault(pointer="header:Idempotency-Key", code="invalid", detail=_RULE)
    return Problem(codes.INVALID_IDEMPOTENCY_KEY, _RULE, errors=[fault])
