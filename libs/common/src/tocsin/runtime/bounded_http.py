"""uvicorn's HTTP/1.1 connection with bounds on what a stranger can make it hold: bytes, header fields, time and connections.

    bytes → counted → httptools → a request, for the application
                    ↘ upgraded: the bytes are another protocol's from then on, where the path has one
                    ↘ refused: a request, too, whose scope says why; the application answers it, and the connection ends

Nothing here costs a timer for a request that arrives whole. uvicorn has limits of this kind only for its slower parser (h11).
"""

import asyncio
import math
from collections.abc import Mapping
from typing import Any, Final, cast
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tocsin.runtime.http_answer import Answer
from tocsin.runtime.http_limits import IDLE_SECONDS, REFUSED, HttpLimits, Refused

PIPELINED = 64
"""So many requests of one connection may wait for their turn."""
_LOOK_SECONDS = 1.0
"""So often it is looked for connections that have waited for too long."""
LINGER_SECONDS = 1.0
"""So long a refused caller who still sends can read why, before the connection is closed on what was not read."""
LINGER_BYTES = 1024 * 1024
"""And so much of it is read and dropped meanwhile."""


_NOTHING: Final = 0
_HEAD: Final = 1
_BODY: Final = 2
"""What the caller has yet to send. No enumeration: looking up its members shows in the time of a request."""


_LONGEST_LINE: Final = 8000
"""Bytes of a line of the head, below what the library of WebSockets reads."""
_GOES_ALONG: Final = frozenset(
    (b"host", b"upgrade", b"connection", b"origin", b"x-forwarded-for", b"x-request-id", b"traceparent")
)


def _goes_along(name: bytes) -> bool:
    """Whether a field of the head is of use to a WebSocket; the library reads no more than 128."""
    return name in _GOES_ALONG or name.startswith(b"sec-websocket-")


class Waiting(dict["BoundedHttp", float]):
    """The connections that wait for their callers, and not for us, with the time when each is to be closed; the longest waiting
    first. One timer looks after them all, so that a request costs none."""

    _looking = False

    def add(self, connection: "BoundedHttp", *, until: float = math.inf) -> None:
        """It waits from now on; or still, and then keeps its place."""
        self[connection] = until
        if not self._looking:
            self._looking = True
            connection.loop.call_later(_LOOK_SECONDS, self._look, connection.loop)

    def drop_one(self) -> bool:
        """Close the one that waits longest; false where none waits."""
        for connection in self:
            connection.drop()
            return True
        return False

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for connection in [connection for connection, until in self.items() if until <= now]:
            connection.drop()
        self._looking = bool(self)
        if self:
            loop.call_later(_LOOK_SECONDS, self._look, loop)


class _Stop(Exception):
    """Raised in a callback of the parser, so that it reads nothing more."""


class BoundedHttp(HttpToolsProtocol):
    """One connection. Over the bound on connections, the one that has waited longest for its caller is closed for the new one; where
    all are at work, the new one is refused."""

    def __init__(
        self,
        *,
        limits: HttpLimits,
        waiting: Waiting,
        sockets: Mapping[str, Any] | None = None,
        **uvicorn: Any,
    ) -> None:
        """`sockets` are paths at which a caller may ask for a WebSocket, each with the ASGI application that answers there."""
        super().__init__(**uvicorn)
        self._sockets = sockets or {}
        self._socket: Any = None
        """The protocol that has the connection now, where it is no longer HTTP."""
        self._limits = limits
        self._waiting = waiting
        self._reading: int = _NOTHING
        self._begun: Any = None
        """The scope of the last request whose head was complete; the parser's own is another as soon as a new head begins."""
        self._room = limits.head_bytes
        """Bytes that may still come before something must be whole: a head, some of a body, a body's end."""
        self._one_too_many = False
        self._refused: Refused | None = None
        self._dropped = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._deadline_is_for: int = _NOTHING

    # The life of a connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        if len(self.connections) > self._limits.connections:
            self._one_too_many = not self._waiting.drop_one()
        self._waiting.add(self)
        self._reading = _HEAD
        self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self._waiting.pop(self, None)
        if self._deadline is not None:
            self._deadline.cancel()
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
        if self._reading == _NOTHING:
            self._reading = _HEAD  # also of line breaks before it, which the parser skips
        if len(data) <= self._room:
            self._count_and_parse(data)
        else:
            self._take_in_pieces(memoryview(data))
        if self._socket is not None:
            return
        if self._reading == _NOTHING and self.scope is not self._begun:
            self._reading = _HEAD
        if self._reading != self._deadline_is_for:
            self._set_deadline()

    def _take_in_pieces(self, rest: memoryview) -> None:
        while rest and self._refused is None:
            piece, rest = rest[: self._room], rest[self._room :]
            self._count_and_parse(piece)

    def _count_and_parse(self, piece: bytes | memoryview) -> None:
        if self._socket is not None:  # a later piece of the same read
            self._socket.data_received(bytes(piece))
            return
        self._room -= len(piece)
        self._parse(piece)
        if self._room <= 0 and self._refused is None and self._socket is None:
            self._refuse(Refused.HEAD_TOO_LARGE)

    def _parse(self, piece: bytes | memoryview) -> None:
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade as upgrade:
            rest = piece[upgrade.args[0] :]
            path = bytes(self.url).partition(b"?")[0].decode("latin-1")
            before = self.cycle
            if (
                path in self._sockets
                and (before is None or before.response_complete)
                and self._wants_socket()
            ):
                self._hand_over(self._sockets[path], rest=bytes(rest))
            else:
                self._ignore_the_upgrade(rest=rest)
        except httptools.HttpParserError as error:
            stopped = isinstance(error.__context__, _Stop) and error.__context__.args[0]
            self._refuse(stopped or Refused.MALFORMED)

    def _ignore_the_upgrade(self, *, rest: bytes | memoryview) -> None:
        """A caller may ask for another protocol (h2c, websocket) and is answered in this one. The parser believes that the other
        protocol begins after the head, and would drop the body; so a new one reads the same head without the wish."""
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        fields = [b"%b: %b\r\n" % field for field in self.headers if field[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn has it
        self._parse(b"%b %b HTTP/%b\r\n%b\r\n" % (method, self.url, version, b"".join(fields)))
        if rest and self._refused is None:
            self._parse(rest)

    def _wants_socket(self) -> bool:
        """Whether it asks for a WebSocket, with a head that the other protocol reads, too: its lines are shorter than ours."""
        fields = [value.lower() for name, value in self.headers if name == b"upgrade"]
        longest = max((len(name) + len(value) for name, value in self.headers), default=0)
        return (
            fields == [b"websocket"]
            and self.parser.get_method() == b"GET"
            and max(longest, len(self.url)) < _LONGEST_LINE
        )

    def _hand_over(self, app: Any, *, rest: bytes) -> None:
        """The connection is a WebSocket's from here on. It still counts among the connections, and no longer waits for its caller."""
        self._waiting.pop(self, None)
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self.connections.discard(self)
        socket: Any = cast("Any", self.ws_protocol_class)(
            config=self.config, server_state=self.server_state, app_state=self.app_state
        )
        socket.app = app
        self._socket = socket
        socket.connection_made(self.transport)
        self.transport.set_protocol(socket)
        fields = [b"%b: %b\r\n" % field for field in self.headers if _goes_along(field[0])]
        socket.data_received(b"GET %b HTTP/1.1\r\n%b\r\n" % (self.url, b"".join(fields)))
        if rest:
            socket.data_received(rest)

    def on_headers_complete(self) -> None:
        if len(self.headers) > self._limits.head_fields:
            raise _Stop(Refused.HEAD_TOO_LARGE)
        if len(self.pipeline) >= PIPELINED:
            raise _Stop(Refused.TOO_MANY_PIPELINED)
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":  # we are no proxy
                raise _Stop(Refused.MALFORMED)
            return
        self._begin_request()
        self._room = self._limits.head_bytes
        self._reading = _BODY
        self._begun = self.scope
        self.headers = []  # trailers go here, where nobody reads them

    def _begin_request(self) -> None:
        """As uvicorn's `on_headers_complete`, with an answer of ours, and without what our settings leave out."""
        scope: Any = self.scope
        scope["method"] = self.parser.get_method().decode("ascii")
        version = self.parser.get_http_version()
        if version != "1.1":
            scope["http_version"] = version
        url = httptools.parse_url(self.url)
        path = url.path.decode("ascii")
        scope["path"] = unquote(path) if "%" in path else path
        scope["raw_path"] = url.path
        scope["query_string"] = url.query or b""
        before = self.cycle
        self.cycle = self._answer(
            scope,
            transport=self.transport,
            expects_continue=self.expect_100_continue,
            keep_alive=version != "1.0" and self.parser.should_keep_alive(),
        )
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def _answer(
        self, scope: Any, *, transport: asyncio.Transport, expects_continue: bool, keep_alive: bool
    ) -> Answer:
        return Answer(
            scope=scope,
            transport=transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=expects_continue,
            keep_alive=keep_alive,
            on_response=self.on_response_complete,
        )

    def on_body(self, body: bytes) -> None:
        self._room = self._limits.head_bytes
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self._reading != _BODY:  # of a request for another protocol: its head will be read again
            return
        self._room = self._limits.head_bytes
        self._reading = _NOTHING
        self._waiting.pop(self, None)
        if self._deadline is not None:
            self._set_deadline()
        super().on_message_complete()

    # What is waited for

    def _set_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self._deadline_is_for = self._reading
        if self._refused is not None or self._reading == _NOTHING:
            return
        seconds = self._limits.head_timeout if self._reading == _HEAD else self._limits.body_timeout
        self._deadline = self.loop.call_later(seconds, self._too_late)
        if (self._reading == _BODY and not self.pipeline) or self in self._waiting:
            self._waiting.add(self)  # from now on the deadline says how long

    def _too_late(self) -> None:
        if self.flow.read_paused:  # it is us who do not read
            self._set_deadline()
        elif self._reading == _BODY:
            self._refuse(Refused.BODY_TOO_LATE)
        elif self._room < self._limits.head_bytes:
            self._refuse(Refused.HEAD_TOO_LATE)
        else:
            self.drop()  # it said nothing at all

    def on_response_complete(self) -> None:
        """As uvicorn's, without its timer for each answer."""
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        else:  # also where the connection is closing: its caller may not read what was written
            self._waiting.add(self, until=self.loop.time() + IDLE_SECONDS)

    def pause_writing(self) -> None:
        """Its caller does not read; we do not wait for that longer than for the next request."""
        super().pause_writing()
        self._waiting.add(self, until=self.loop.time() + IDLE_SECONDS)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.cycle.response_complete and not self.pipeline:
            self._waiting.add(self, until=self.loop.time() + IDLE_SECONDS)
        else:
            self._waiting.pop(self, None)

    # What is refused

    def _refuse(self, why: Refused) -> None:
        """Answer the request at hand with `why`, once those before it are answered, and look at nothing more of this connection."""
        if self._refused is not None:
            return
        self._refused = why
        if self._reading != _BODY:
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
        before, lingering = self.cycle, _lingering(self.transport, self.loop)
        self.cycle = self._answer(scope, transport=lingering, expects_continue=False, keep_alive=False)
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
