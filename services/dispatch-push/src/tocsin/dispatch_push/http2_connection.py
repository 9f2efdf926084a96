"""One HTTP/2 connection that carries many requests at once: an asyncio protocol around `h2`, for small requests and small answers.

    begin ─▶ a free stream ─▶ head ─▶ body, as far as both windows allow ─▶ answer
               │ none free: in line      │ rest: waits for the window

What is begun in one turn of the loop is written once. Nothing here raises for what the server does: each exchange ends with its answer,
or with what the missing answer means. Measured by `bench/apns_request.py`.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable
from typing import Final, cast

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    DataReceived,
    Event,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import H2Error, NoAvailableStreamIDError

from tocsin.dispatch_push.http2_exchange import Exchange, Fate, Response, Unanswered
from tocsin.dispatch_push.http2_frames import FrameCutter, Goaway, NotHttp2

logging.getLogger("hpack").setLevel(logging.WARNING)  # below, it writes every header: paths and tokens, too
PING_EVERY: Final = 60.0
"""Seconds of silence after which the server is asked for a sign of life: firewalls forget connections that say nothing."""
PING_WAIT: Final = 5.0
"""Seconds within which it has to give one."""
_LARGEST_ANSWER: Final = 16_384
"""Bytes that are kept of an answer's body; APNs' have fewer than a hundred."""
# What we send is ours, and right already.
_CONFIG: Final = H2Configuration(
    client_side=True,
    header_encoding=None,
    validate_outbound_headers=False,
    normalize_outbound_headers=False,
)


class Http2Connection(asyncio.Protocol):
    """`opened` is done once the server has sent its settings. While it is `usable`, exchanges may begin; those that have begun end by
    themselves, with the connection at the latest."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = self._loop.create_future()
        self.usable = True
        self._h2 = H2Connection(_CONFIG)
        self._cutter = FrameCutter()
        self._transport: asyncio.Transport | None = None
        self._streams: dict[int, Exchange] = {}
        self._waiting: deque[Exchange] = deque()
        """They have no stream yet."""
        self._flush_due = False
        self._heard_at = self._loop.time()
        self._look: asyncio.TimerHandle | None = None
        self._verdict: asyncio.TimerHandle | None = None
        """Set while a sign of life is awaited."""

    def begin(self, exchange: Exchange) -> None:
        """Send it as soon as the server allows another stream."""
        if not self.usable:
            exchange.end(Unanswered(Fate.NOT_BEGUN))
            return
        self._waiting.append(exchange)
        self._begin_waiting()

    def give_up(self, exchange: Exchange) -> None:
        """Nobody waits for its answer any more."""
        if self._streams.get(exchange.stream) is exchange:
            self._forget(exchange.stream, reset=True)
        elif not exchange.stream and exchange in self._waiting:
            self._waiting.remove(exchange)

    def probe(self) -> None:
        """Ask for a sign of life. Without one the connection is dropped: its exchanges end, and the next go over another one."""
        if self._verdict is None and self._open:
            self._h2.ping(b"tocsin??")
            self._flush_soon()
            self._verdict = self._loop.call_later(PING_WAIT, self.drop)

    def drop(self) -> None:
        """End it at once, whatever is under way: `connection_lost` tells each exchange."""
        self.usable = False
        if self._transport is not None:
            self._transport.abort()

    @property
    def _open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the preface."""
        self._transport = cast("asyncio.Transport", transport)
        self._h2.initiate_connection()
        self._flush()
        self._look = self._loop.call_later(PING_EVERY, self._look_for_silence)

    def data_received(self, data: bytes) -> None:
        """Hand answers out."""
        self._heard_at = self._loop.time()
        if self._verdict is not None:
            self._verdict.cancel()
            self._verdict = None
        try:
            for piece in self._cutter.feed(data):
                if isinstance(piece, Goaway):
                    self._farewell(piece)
                    continue
                for event in self._h2.receive_data(piece):
                    self._handle(event)
            self._begin_waiting()
        except (H2Error, NotHttp2):
            self.drop()
            return
        self._flush_soon()
        self._close_if_idle()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Everything ends."""
        self.usable = False
        for timer in (self._look, self._verdict):
            if timer is not None:
                timer.cancel()
        if not self.opened.done():
            self.opened.set_exception(ConnectionResetError())
            self.opened.exception()  # whoever opened it may have left
        for exchange in (*self._streams.values(), *self._waiting):
            exchange.end(Unanswered(exchange.fate))
        self._streams.clear()
        self._waiting.clear()

    # What the server says

    def _handle(self, event: Event) -> None:
        match event:
            case ResponseReceived(stream_id=stream, headers=headers) if stream in self._streams:
                self._streams[stream].status = _status(headers)
            case DataReceived(stream_id=stream, data=data, flow_controlled_length=length):
                self._h2.acknowledge_received_data(length, stream)
                if stream in self._streams and len(self._streams[stream].body) < _LARGEST_ANSWER:
                    self._streams[stream].body += data
            case StreamEnded(stream_id=stream) if stream in self._streams:
                exchange = self._streams[stream]
                self._forget(
                    stream, reset=bool(exchange.rest)
                )  # it may answer before it has all of the request
                exchange.end(Response(exchange.status, exchange.body))
            case StreamReset(stream_id=stream, error_code=code) if stream in self._streams:
                exchange = self._streams[stream]
                self._forget(stream)
                refused = code == ErrorCodes.REFUSED_STREAM  # "not processed" (RFC 9113, section 8.7)
                exchange.end(Unanswered(Fate.NOT_PROCESSED if refused else exchange.fate))
            case WindowUpdated() | RemoteSettingsChanged():
                for stream, exchange in self._streams.items():
                    if exchange.rest:
                        self._send_body(stream, exchange)
                if not self.opened.done():
                    self.opened.set_result(None)

    def _farewell(self, goaway: Goaway) -> None:
        """Streams up to the last one named are answered still, the others were not begun (RFC 9113, section 6.8)."""
        self.usable = False
        for stream in [stream for stream in self._streams if stream > goaway.last_stream]:
            exchange = self._streams[stream]
            self._forget(stream)
            exchange.end(Unanswered(Fate.NOT_PROCESSED, goaway.reason))
        self._begin_no_more(goaway.reason)

    def _begin_no_more(self, reason: str | None) -> None:
        """What has no stream goes over another connection; this one ends with what is under way."""
        self.usable = False
        while self._waiting:
            self._waiting.popleft().end(Unanswered(Fate.NOT_BEGUN, reason))

    # What we say

    def _begin_waiting(self) -> None:
        most = self._h2.remote_settings.max_concurrent_streams
        while self.usable and self._waiting and len(self._streams) < most:
            try:
                stream = self._h2.get_next_available_stream_id()
            except NoAvailableStreamIDError:  # after a thousand million requests
                self._begin_no_more(None)
                return
            exchange = self._waiting.popleft()
            if exchange.until <= self._loop.time():
                exchange.end(Unanswered(Fate.NOT_BEGUN))
                continue
            exchange.stream = stream
            self._streams[stream] = exchange
            self._h2.send_headers(stream, exchange.head)
            self._send_body(stream, exchange)
            self._flush_soon()

    def _send_body(self, stream: int, exchange: Exchange) -> None:
        """As much as the windows of stream and connection allow; the rest goes when they are wider."""
        while exchange.rest:
            room = min(self._h2.local_flow_control_window(stream), self._h2.max_outbound_frame_size)
            if room <= 0:
                return
            part, exchange.rest = exchange.rest[:room], exchange.rest[room:]
            self._h2.send_data(stream, part, end_stream=not exchange.rest)

    def _forget(self, stream: int, *, reset: bool = False) -> None:
        del self._streams[stream]
        if reset and self._open:
            self._h2.reset_stream(stream, ErrorCodes.CANCEL)
            self._begin_waiting()
            self._flush_soon()
            self._close_if_idle()

    def _flush_soon(self) -> None:
        """With all else that this turn of the loop has to write."""
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        data = self._h2.data_to_send()
        if data and self._transport is not None and self._open:
            self._transport.write(data)

    def _look_for_silence(self) -> None:
        if self._loop.time() - self._heard_at >= PING_EVERY:
            self.probe()
        self._look = self._loop.call_later(PING_EVERY, self._look_for_silence)

    def _close_if_idle(self) -> None:
        if not self.usable and not self._streams and self._transport is not None:
            self._flush()
            self._transport.close()


def _status(headers: Iterable[tuple[bytes, bytes]]) -> int:
    """0: none that is a number."""
    status = next((bytes(value) for name, value in headers if name == b":status"), b"")
    return int(status) if status.isdigit() else 0
