"""What a request is told that the server refused before the application saw all of it."""

from collections.abc import Mapping
from typing import Final

from tocsin.runtime import Refused
from tocsin.web import codes
from tocsin.web.codes import ProblemCode
from tocsin.web.problem import Problem

_CLOSE: Final = {"connection": "close"}
_LATER: Final = {"connection": "close", "retry-after": "1"}
_ANSWERS: Final[Mapping[Refused, tuple[ProblemCode, str, Mapping[str, str]]]] = {
    Refused.MALFORMED: (codes.BAD_REQUEST, "What was sent is not a valid HTTP/1.1 request.", _CLOSE),
    Refused.HEAD_TOO_LARGE: (
        codes.HEAD_TOO_LARGE,
        "The first line and the header fields of a request have too many bytes, or there are too many fields.",
        _CLOSE,
    ),
    Refused.HEAD_TOO_LATE: (codes.REQUEST_TIMEOUT, "The header fields did not arrive in time.", _CLOSE),
    Refused.BODY_TOO_LATE: (codes.REQUEST_TIMEOUT, "The body did not arrive in time.", _CLOSE),
    Refused.TOO_MANY_CONNECTIONS: (codes.OVERLOADED, "All connections are at work.", _LATER),
    Refused.TOO_MANY_PIPELINED: (
        codes.OVERLOADED,
        "Too many requests wait on this connection. Wait for answers before you send more.",
        _LATER,
    ),
}


def refusal(why: Refused) -> Problem:
    """The problem to answer with. Its connection is closed, for what else is on it cannot be read."""
    code, detail, headers = _ANSWERS[why]
    return Problem(code, detail, headers=headers)
