"""uvicorn's HTTP/1.1 connection with bounds on what a stranger can make it hold: bytes, header fields, time and connections.

    bytes → counted → httptools → a request, for the application
                    ↘ refused: a request, too, whose scope says why; the application answers it, and the connection ends

Nothing here costs a timer for a request that arrives whole. uvicorn has limits of this kind only for its slower parser (h11).
"""

import asyncio
from enum import Enum
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from tocsin.runtime.http_limits import IDLE_SECONDS, REFUSED, HttpLimits, Refused

PIPELINED = 64
"""So many requests of one connection may wait for their turn."""
LINGER_SECONDS = 1.0
"""So long a refused caller who still sends can read why, before the connection is closed on what was not read."""
LINGER_BYTES = 1024 * 1024
"""And so much of it is read and dropped meanwhile."""


class _Reading(Enum):
    """What the caller has yet to send."""

    NOTHING = "nothing"
    HEAD = "head"
    BODY = "body"


class Waiting(dict["BoundedHttp", None]):
    """The connections that wait for their callers, and not for us; the longest waiting first."""

    def drop_one(self) -> bool:
        """Close the one that waits longest; false where none waits."""
        for connection in self:
            connection.drop()
            return True
        return False


class BoundedHttp(HttpToolsProtocol):
    """One connection. Over the bound on connections, the one that has waited longest for its caller is closed for the new one; where
    all are at work, the new one is refused."""

    def __init__(self, *, limits: HttpLimits, waiting: Waiting, **uvicorn: Any) -> None:
        super().__init__(**uvicorn)
        self._limits = limits
        self._waiting = waiting
        self._reading = _Reading.NOTHING
        self._room = limits.head_bytes
        """Bytes that may still come before something must be whole: a head, some of a body, a body's end."""
        self._one_too_many = False
        self._refused: Refused | None = None
        self._dropped = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._deadline_is_for = _Reading.NOTHING
        self._unread: asyncio.TimerHandle | None = None

    # The life of a connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        if len(self.connections) > self._limits.connections:
            self._one_too_many = not self._waiting.drop_one()
        self._waiting[self] = None
        self._reading = _Reading.HEAD
        self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self._waiting.pop(self, None)
        for timer in (self._deadline, self._unread, self.timeout_keep_alive_task):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def drop(self) -> None:
        """Close it now, whatever of an answer is still unread."""
        self._waiting.pop(self, None)
        self.transport.abort()

    # What comes in

    def data_received(self, data: bytes) -> None:
        if self._refused is not None:
            self._after_a_refusal(data)
            return
        if self._one_too_many:
            self._refuse(Refused.TOO_MANY_CONNECTIONS)
            return
        if self._reading is _Reading.NOTHING:
            self._reading = _Reading.HEAD  # also of line breaks before it, which the parser skips
        while self._refused is None and len(data) > self._room:
            piece, data = data[: self._room], data[self._room :]
            self._feed(piece)
        if self._refused is None:
            self._feed(data)
        if self._reading is not self._deadline_is_for:
            self._set_deadline()

    def _feed(self, piece: bytes) -> None:
        self._room -= len(piece)
        super().data_received(piece)
        if self._room <= 0 and self._refused is None:
            self._refuse(Refused.HEAD_TOO_LARGE)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._reading = _Reading.HEAD

    def on_headers_complete(self) -> None:
        if self._refused is not None:
            return
        self._room = self._limits.head_bytes
        if len(self.headers) > self._limits.head_fields:
            self._refuse(Refused.HEAD_TOO_LARGE)
            return
        if len(self.pipeline) >= PIPELINED:
            self._refuse(Refused.TOO_MANY_PIPELINED)
            return
        super().on_headers_complete()
        self.headers = []  # trailers go here, where nobody reads them
        self._reading = _Reading.BODY

    def on_body(self, body: bytes) -> None:
        if self._refused is None:
            self._room = self._limits.head_bytes
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._refused is None:
            self._room = self._limits.head_bytes
            self._reading = _Reading.NOTHING
            self._waiting.pop(self, None)
            if self._deadline is not None:
                self._set_deadline()
            super().on_message_complete()

    def _unsupported_upgrade_warning(self) -> None:
        """The request is answered as if it had not asked; what comes after it may be of another protocol, so nothing more is read."""
        self.cycle.keep_alive = False
        self._refused = Refused.MALFORMED

    # What is waited for

    def _set_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self._deadline_is_for = self._reading
        if self._refused is not None:
            return
        if self._reading is _Reading.HEAD:
            self._deadline = self.loop.call_later(self._limits.head_timeout, self._too_late)
        elif self._reading is _Reading.BODY:
            self._waiting[self] = None
            self._deadline = self.loop.call_later(self._limits.body_timeout, self._too_late)

    def _too_late(self) -> None:
        if self.flow.read_paused:  # it is us who do not read
            self._set_deadline()
        elif self._reading is _Reading.BODY:
            self._refuse(Refused.BODY_TOO_LATE)
        elif self._room < self._limits.head_bytes:
            self._refuse(Refused.HEAD_TOO_LATE)
        else:
            self.drop()  # it said nothing at all

    def pause_writing(self) -> None:
        super().pause_writing()
        self._expect_to_be_read()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete:
            self._waiting[self] = None
        if self.transport.get_write_buffer_size():
            self._expect_to_be_read()

    def timeout_keep_alive_handler(self) -> None:
        self.drop()

    def _expect_to_be_read(self) -> None:
        """A caller who does not read its answer is left after a while."""
        self._waiting[self] = None
        if self._unread is None:
            self._unread = self.loop.call_later(IDLE_SECONDS, self._look_whether_it_was_read)

    def _look_whether_it_was_read(self) -> None:
        self._unread = None
        if self.transport.get_write_buffer_size():
            self.drop()

    # What is refused

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's words are not ours
        if self._refused is None:
            self._refuse(Refused.MALFORMED)

    def _refuse(self, why: Refused) -> None:
        """Answer the request at hand with `why`, once those before it are answered, and look at nothing more of this connection."""
        self._refused = why
        if self._reading is not _Reading.BODY:
            self._answer_in_its_place(why)
        elif self.cycle.response_started:
            self.drop()
        else:
            cast("dict[str, Any]", self.cycle.scope)[REFUSED] = why  # the application waits for this body
            self.cycle.keep_alive = False
            self.cycle.transport = _lingering(self.transport, self.loop)
            self.cycle.message_event.set()
        self._set_deadline()

    def _answer_in_its_place(self, why: Refused) -> None:
        scope: Any = {
            "type": "http", "asgi": {"version": self.asgi_version, "spec_version": "2.3"}, "http_version": "1.1",
            "server": self.server, "client": self.client, "scheme": self.scheme, "root_path": self.root_path,
            "method": "GET", "path": "", "raw_path": b"", "query_string": b"", "headers": [], "state": {}, REFUSED: why,
        }  # fmt: skip
        before, self.cycle = (
            self.cycle,
            RequestResponseCycle(
                scope=scope,
                transport=_lingering(self.transport, self.loop),
                flow=self.flow,
                logger=self.logger,
                access_logger=self.access_logger,
                access_log=False,
                default_headers=self.server_state.default_headers,
                message_event=asyncio.Event(),
                expect_100_continue=False,
                keep_alive=False,
                on_response=self.on_response_complete,
            ),
        )
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.pipeline.appendleft((self.cycle, self.app))

    def _after_a_refusal(self, data: bytes) -> None:
        self._dropped += len(data)
        if self._dropped > LINGER_BYTES:
            self.drop()


class _Lingering:
    """A transport whose `close` lets the caller read what was written, although it still sends."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self.write = transport.write
        self.is_closing = transport.is_closing

    def close(self) -> None:
        if not self.is_closing():
            self._transport.write_eof()
            self._loop.call_later(LINGER_SECONDS, self._transport.abort)


def _lingering(transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> asyncio.Transport:
    return cast("asyncio.Transport", _Lingering(transport, loop))  # it has what uvicorn asks of one
