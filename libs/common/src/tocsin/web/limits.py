"""Limits on what a caller may send, checked on the raw bytes before anything parses them."""

import asyncio
import contextlib
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tocsin.contracts.limits import HTTP_BODY_BYTES, JSON_DEPTH
from tocsin.web import codes
from tocsin.web.problem import Problem

DRAINED_BODIES: Final = 8
"""Of a body that is too large so many times the limit are read and dropped, before the connection is closed on who writes it."""
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
    """Refuses bodies larger than `max_bytes` (413), packed by a content coding (415), or JSON deeper than `max_depth` (422);
    then hands the body on whole."""

    def __init__(
        self, app: ASGIApp, *, max_bytes: int = HTTP_BODY_BYTES, max_depth: int = JSON_DEPTH
    ) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._max_depth = max_depth

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length, chunked, packed = _announced(scope)
        if length is None and not chunked:
            await self._app(scope, receive, send)
            return
        if length is not None and length > self._max_bytes:
            if not _waits_for_leave(scope):
                await self._drain(receive)
            await self._too_large()(scope, receive, send)
            return
        body = await self._read(receive)
        if body is None:
            await self._too_large()(scope, receive, send)
        elif packed:
            await _packed()(scope, receive, send)
        elif deeper_than(body, self._max_depth):
            await self._too_deep()(scope, receive, send)
        else:
            await self._app(scope, _Replay(body, receive), send)

    async def _read(self, receive: Receive) -> bytes | None:
        """The whole body, or None when it is too large. A caller who leaves midway has sent what he has sent."""
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return b"".join(parts)
            part = message.get("body", b"")
            size += len(part)
            if size > self._max_bytes:
                if message.get("more_body", False):
                    await self._drain(receive)
                return None
            parts.append(part)
            if not message.get("more_body", False):
                return parts[0] if len(parts) == 1 else b"".join(parts)

    async def _drain(self, receive: Receive) -> None:
        """Read a bounded rest of the body: who still writes when the connection is closed reads a reset instead of the answer."""
        rest = DRAINED_BODIES * self._max_bytes
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                while rest > 0:
                    message = await receive()
                    rest -= len(message.get("body", b""))
                    if not message.get("more_body", False):
                        return

    def _too_large(self) -> ASGIApp:
        detail = f"At most {self._max_bytes} bytes are taken."
        return Problem(codes.BODY_TOO_LARGE, detail, headers={"connection": "close"}).response()

    def _too_deep(self) -> ASGIApp:
        return Problem(codes.BODY_TOO_DEEP, f"At most {self._max_depth} levels are taken.").response()


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


def _packed() -> ASGIApp:
    detail = "Send the body as it is, without Content-Encoding."
    return Problem(
        codes.UNSUPPORTED_CONTENT_CODING, detail, headers={"accept-encoding": "identity"}
    ).response()


def _waits_for_leave(scope: Scope) -> bool:
    """Whether the caller sends the body only once it is told to go on (`Expect: 100-continue`)."""
    return any(name == b"expect" for name, _ in scope["headers"])


def _announced(scope: Scope) -> tuple[int | None, bool, bool]:
    """What the headers say of the body: its length, whether it comes in chunks of unknown sum, whether it is packed."""
    length, chunked, packed = None, False, False
    for name, value in scope["headers"]:
        if name == b"content-length":
            length = int(value)  # the server has refused what is no number
        elif name == b"transfer-encoding":
            chunked = True
        elif name == b"content-encoding":
            packed = packed or value.strip().lower() not in (b"", b"identity")
    return length, chunked, packed
