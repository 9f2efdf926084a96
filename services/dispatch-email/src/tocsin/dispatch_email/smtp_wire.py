"""An open SMTP connection as lines out and replies in, so that several commands can be under way at once (RFC 2920)."""

import asyncio
from collections import deque

from tocsin.dispatch_email.smtp_replies import Reply, read

_LONGEST = 32 * 1024
"""More than any reply; a server that goes on without one is cut off."""


class WireLost(Exception):
    """The server closed or reset the connection before its reply."""


class SmtpWire(asyncio.Protocol):
    """Takes the transport over from whoever opened it. One reply for each command, in order."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._buffer = bytearray()
        self._lines: list[bytes] = []
        self._replies: deque[Reply] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._lost = transport.is_closing()
        transport.set_protocol(self)

    @property
    def quiet(self) -> bool:
        """Open, and no reply waits that nobody asked for, such as a farewell."""
        return not (
            self._lost or self._replies or self._lines or self._buffer or self._transport.is_closing()
        )

    def write(self, data: bytes) -> None:
        """Send. Raises WireLost when the connection is known to be closed."""
        if self._lost or self._transport.is_closing():
            raise WireLost
        self._transport.write(data)

    async def reply(self) -> Reply:
        """The next reply; its number is 0 when what came was none. Raises WireLost."""
        while not self._replies:
            if self._lost:
                raise WireLost
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return self._replies.popleft()

    def close(self) -> None:
        """Drop the connection."""
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Cut into lines, lines into replies."""
        self._buffer += data
        while (end := self._buffer.find(b"\n")) >= 0:
            self._line(bytes(self._buffer[:end]))
            del self._buffer[: end + 1]
        if len(self._buffer) + sum(map(len, self._lines)) > _LONGEST:
            self._transport.abort()
        self._wake()

    def connection_lost(self, _error: Exception | None) -> None:
        """Whoever waits learns of it."""
        self._lost = True
        self._wake()

    def _line(self, line: bytes) -> None:
        number = line[:3]
        if len(number) < 3 or not number.isdigit():
            self._lines.clear()
            self._replies.append(Reply(0, None, ""))
            return
        self._lines.append(line[4:].strip())
        if line[3:4] != b"-":
            text = b"\n".join(self._lines).decode("utf-8", "replace")
            self._lines.clear()
            self._replies.append(read(int(number), text))

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
