"""How much a connection may bring and for how long it may take, and what a request is told that is refused for it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

IDLE_SECONDS: Final = 30.0
"""So long a connection may stay open between two requests, and so long a caller may leave an answer unread."""
BODIES_BYTES: Final = 64 * 1024 * 1024
"""The default of HTTP_BODIES_BYTES."""
REFUSED: Final = "tocsin.refused"
"""Where the ASGI scope of a refused request says why: a `Refused`. The application answers it, so that its words, request id and
metrics are those of every other answer."""


class Refused(StrEnum):
    """Why the server refuses a request before the application sees it."""

    MALFORMED = "malformed"
    HEAD_TOO_LARGE = "head_too_large"
    HEAD_TOO_LATE = "head_too_late"
    BODY_TOO_LATE = "body_too_late"
    TOO_MANY_CONNECTIONS = "too_many_connections"
    TOO_MANY_PIPELINED = "too_many_pipelined"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """The limits of one server. Times are in seconds; `connections` counts those of the whole process on one port."""

    head_bytes: int = 32 * 1024
    head_fields: int = 100
    head_timeout: float = 10.0
    body_timeout: float = 30.0
    connections: int = 500
