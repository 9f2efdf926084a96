"""A WebSocket (RFC 6455) that tells and is told nothing: uvicorn's, for callers who only listen.

A caller that sends a message, more than a control frame may hold, or what is no frame, is closed; so is one that answers no ping, or does not
read. Each ends its own connection only. What is not read yet is bounded by the transport's buffer: `send` waits until it has room.
"""

import logging
from typing import Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame

PING_SECONDS: Final = 15.0
"""So often a caller is asked whether it is there, and so long it may take to answer."""
LINGER_SECONDS: Final = 2.0
"""So long a caller may take to read why its connection ends."""

_ABNORMAL: Final = 1006
_quiet: Final = logging.getLogger("tocsin.one_way_socket")
_quiet.setLevel(
    logging.ERROR
)  # uvicorn's lines of opened sockets name addresses and whole targets, tickets among them


class OneWaySocket(WebSocketsSansIOProtocol):
    """One connection, after its head was read and bounded."""

    def __init__(self, **uvicorn: Any) -> None:
        super().__init__(**uvicorn)
        self.logger = _quiet
        self.ping_interval = self.ping_timeout = PING_SECONDS
        self._ends = False

    def data_received(self, data: bytes) -> None:
        """The head, then frames or what was taken for some."""
        if self.handshake_initiated and not self.handshake_complete:
            self.transport.abort()  # it has not been let in yet
            return
        super().data_received(data)
        if self.close_sent or self.disconnected:
            self._end_soon()

    def handle_text(self, event: Frame) -> None:  # noqa: ARG002 - uvicorn's hook
        """Whatever it says."""
        self._refuse_message()

    def handle_bytes(self, event: Frame) -> None:  # noqa: ARG002 - uvicorn's hook
        """Whatever it says."""
        self._refuse_message()

    def handle_cont(self, event: Frame) -> None:
        """The rest of a message that is refused already."""

    def handle_close(self, event: Frame) -> None:
        """It leaves, or has read that it is to."""
        super().handle_close(event)
        self.transport.close()

    def handle_parser_exception(self) -> None:
        """What came is no frame, or a longer one than is read; the library has said so already."""
        if not self.close_sent:
            self._end(int(self.conn.close_sent.code) if self.conn.close_sent is not None else _ABNORMAL)

    def pause_writing(self) -> None:
        """It does not read. Neither do we: each of its pings would add an answer to what waits."""
        super().pause_writing()
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """It has read."""
        super().resume_writing()
        self.transport.resume_reading()

    def keepalive_timeout(self) -> None:
        """No answer to a ping: nobody is there, or nobody who reads. What is not read would be kept as long as the connection is."""
        self.pong_timer = None
        self.transport.abort()

    def shutdown(self) -> None:
        """The process stops."""
        super().shutdown()
        self._end_soon()

    async def send(self, message: Any) -> None:
        """As uvicorn's, which waits longer for a caller that is to read the end."""
        await super().send(message)
        if self.close_sent:
            self._end_soon()

    def _refuse_message(self) -> None:
        if not self.close_sent:
            self.conn.send_close(CloseCode.POLICY_VIOLATION, "Nothing is read here.")
            self._end(int(CloseCode.POLICY_VIOLATION))

    def _end(self, code: int) -> None:
        """Say so, and drop what still comes: closing on bytes that are not read would take the reason from the caller."""
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": ""})

    def _end_soon(self) -> None:
        """A closing that waits for what was written to be read, or for the caller's own end, has its time. The first call begins it."""
        if not self._ends:
            self._ends = True
            if self.close_timer is not None:
                self.close_timer.cancel()
            self.close_timer = self.loop.call_later(LINGER_SECONDS, self.transport.abort)
