"""Limits on what a caller may send, checked on the raw bytes before anything parses them."""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tocsin.contracts.limits import HTTP_BODY_BYTES, JSON_DEPTH
from tocsin.runtime import REFUSED
from tocsin.web import codes
from tocsin.web.auth import Gate
from tocsin.web.bodies_in_flight import BodiesInFlight
from tocsin.web.problem import Problem
from tocsin.web.refusals import refusal

DRAINED_BODIES: Final = 8
"""Of a body that is refused so many times the limit are read and dropped, before the connection is closed on who writes it."""
DRAIN_SECONDS: Final = 1.0

_ALIKE = bytes.maketrans(b"{}", b"[]")
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def deeper_than(raw: bytes, limit: int) -> bool:
    """Whether JSON is nested deeper than `limit`. Linear in its size whatever it holds; malformed JSON is the parser's to refuse."""
    if raw.count(b"[") + raw.count(b"{") <= limit:
        return False
    outside_strings = b"".join(raw.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2])
    brackets = outside_strings.translate(_ALIKE, _NOT_BRACKETS)
    for _ in range(limit):  # each round takes away the innermost level
        fewer = brackets.replace(b"[]", b"")
        if len(fewer) == len(brackets):
            break
        brackets = fewer
    return b"[]" in brackets or brackets.count(b"[") > limit


class BodyLimits:
    """Looks who sends a body before it is read, then reads it and hands it on whole.

    | what | answer |
    |---|---|
    | no API key that works (401, and what else the gate says) | without the body being kept |
    | more bytes than are taken (413), or than the process may hold at once (503) | the same |
    | a body that comes too late (408), packed by a content coding (415), JSON that is too deep (422) | |
    | a caller who leaves before the body is complete | none, and nothing is done |

    `public` are beginnings of paths that need no key, each with the largest body there.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        gate: Gate,
        bodies: BodiesInFlight,
        public: Mapping[str, int],
        max_bytes: int = HTTP_BODY_BYTES,
        max_depth: int = JSON_DEPTH,
    ) -> None:
        self._app = app
        self._gate = gate
        self._bodies = bodies
        self._public = tuple(public.items())
        self._max_bytes = max_bytes
        self._max_depth = max_depth

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length, chunked, packed, authorization = _announced(scope)
        if not chunked and (length is None or (length == 0 and not packed)):
            await self._app(scope, receive, send)
            return
        largest, sender = self._public_limit(scope["path"]), ""
        try:
            if largest is None:
                largest = self._max_bytes
                sender = (await self._gate.identify(scope, authorization)).tenant
            size = largest if length is None else length
            if size > largest:
                raise _too_large(largest)
            if not self._bodies.hold(sender, size):
                raise _overloaded()
        except Problem as problem:
            await refuse(problem, scope, receive, send, largest=self._max_bytes)
            return
        try:
            await self._take(scope, receive, send, largest=largest, packed=packed)
        finally:
            self._bodies.let_go(sender, size)

    def _public_limit(self, path: str) -> int | None:
        """How large a body may be that anybody sends there; None where a key is needed."""
        for beginning, largest in self._public:
            if path.startswith(beginning):
                return largest
        return None

    async def _take(self, scope: Scope, receive: Receive, send: Send, *, largest: int, packed: bool) -> None:
        try:
            body = await read_body(scope, receive, largest=largest)
        except Problem as problem:
            await refuse(problem, scope, receive, send, largest=largest)
            return
        if body is None:
            return
        if packed:
            await _packed().response()(scope, receive, send)
        elif deeper_than(body, self._max_depth):
            await too_deep(self._max_depth).response()(scope, receive, send)
        else:
            await self._app(scope, _Replay(body, receive), send)


async def read_body(scope: Scope, receive: Receive, *, largest: int) -> bytes | None:
    """The whole body; None where the caller left before it was complete. Raises the problem of one too large or too late."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        if REFUSED in scope:
            raise refusal(scope[REFUSED])
        part = message.get("body", b"")
        size += len(part)
        if size > largest:
            raise _too_large(largest)
        parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


async def refuse(problem: Problem, scope: Scope, receive: Receive, send: Send, *, largest: int) -> None:
    """Answer with the problem. The connection stays only if the rest of the body came soon: else it would be read as a request."""
    whole = REFUSED not in scope and not _waits_for_leave(scope) and await _drain(receive, largest=largest)
    if not whole:
        problem.headers["connection"] = "close"
    await problem.response()(scope, receive, send)


async def _drain(receive: Receive, *, largest: int) -> bool:
    """Read past a bounded rest of the body: who still writes when the connection is closed reads a reset instead of the answer.
    Whether that was all of it."""
    rest = DRAINED_BODIES * largest
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS):
            while rest > 0:
                message = await receive()
                rest -= len(message.get("body", b""))
                if not message.get("more_body", False):
                    return True
    return False


class _Replay:
    """Gives the body once, then whatever comes after it (the caller leaving)."""

    __slots__ = ("_body", "_receive")

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


def _too_large(largest: int) -> Problem:
    return Problem(codes.BODY_TOO_LARGE, f"At most {largest} bytes are taken.")


def _overloaded() -> Problem:
    detail = "Too many bytes of request bodies are being worked on. Repeat the request later, or send fewer at once."
    return Problem(codes.OVERLOADED, detail, headers={"retry-after": "1"})


def _packed() -> Problem:
    detail = "Send the body as it is, without Content-Encoding."
    return Problem(codes.UNSUPPORTED_CONTENT_CODING, detail, headers={"accept-encoding": "identity"})


def too_deep(deepest: int) -> Problem:
    """The problem of JSON with more levels."""
    return Problem(codes.BODY_TOO_DEEP, f"At most {deepest} levels are taken.")


def _waits_for_leave(scope: Scope) -> bool:
    """Whether the caller sends the body only once it is told to go on (`Expect: 100-continue`)."""
    return any(name == b"expect" for name, _ in scope["headers"])


def _announced(scope: Scope) -> tuple[int | None, bool, bool, str | None]:
    """What the headers say of the body: its length, whether it comes in chunks of unknown sum, whether it is packed, and who sends it."""
    length, chunked, packed, authorization = None, False, False, None
    for name, value in scope["headers"]:
        if name == b"content-length":
            length = int(value)  # the server has refused what is no number
        elif name == b"transfer-encoding":
            chunked = True
            packed = packed or value.strip().lower() != b"chunked"
        elif name == b"content-encoding":
            packed = packed or value.strip().lower() not in (b"", b"identity")
        elif name == b"authorization" and authorization is None:
            authorization = value.decode("latin-1")
    return length, chunked, packed, authorization
