"""The id of the HTTP request being answered: on the response, in every log line, in every problem."""

import random
import re
from contextvars import ContextVar, Token

_current: ContextVar[str | None] = ContextVar("tocsin_request_id", default=None)
_usable = re.compile(r"[A-Za-z0-9._-]{8,128}").fullmatch


def current_request_id() -> str | None:
    """The id of the request being answered, or None outside one."""
    return _current.get()


def begin_request(given: str | None) -> tuple[str, Token[str | None]]:
    """Take the caller's id when it has the form of one, else a new one (random, no secret); the token is for `end_request`."""
    request_id = given if given is not None and _usable(given) else f"{random.getrandbits(128):032x}"
    return request_id, _current.set(request_id)


def end_request(token: Token[str | None]) -> None:
    """Forget the id."""
    _current.reset(token)
