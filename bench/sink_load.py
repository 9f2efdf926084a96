"""What a sink can take: messages made beforehand, as fast as it answers, over kept connections.

`python bench/sink_load.py smtp|http PORT COUNT` ends when so many messages are taken. A mail is sent as a fast client does: the envelope in one piece, then
the body in one piece.
"""

import asyncio
import sys
from typing import cast

import uvloop

CONNECTIONS = 20
BODY_LINES = 20
LINE = b"Your order left our warehouse today. DHL brings it on 27.11., tell them.\r\n"
MAIL = b"X-Tocsin-Notification: %036d\r\nSubject: ceiling\r\n\r\n" + LINE * BODY_LINES + b".\r\n"
ENVELOPE = b"MAIL FROM:<a@bench.example>\r\nRCPT TO:<b@bench.example>\r\nDATA\r\n"
REQUEST = (
    b"POST /2010-04-01/Accounts/AC/Messages.json HTTP/1.1\r\nHost: sink\r\nX-Tocsin-Notification: %036d\r\n"
    b"Content-Length: 200\r\n\r\n"
) + b"x" * 200


class Load:
    """Counts down."""

    def __init__(self, count: int) -> None:
        self._left = count
        self._open = 0
        self.done = asyncio.Event()

    def next(self) -> int | None:
        """The number of the next message; None when there is none left."""
        if not self._left:
            return None
        self._left -= 1
        self._open += 1
        return self._left

    def taken(self) -> None:
        """One was."""
        self._open -= 1
        if not self._open and not self._left:
            self.done.set()


class SmtpClient(asyncio.Protocol):
    """One connection: the state is the code it waits for."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._number: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if b"354 " in data and self._number is not None:
            self._transport.write(MAIL % self._number)
        elif data.startswith(b"220"):
            self._transport.write(b"EHLO load\r\n")
        elif data.endswith((b"250 SIZE 10485760\r\n", b"250 taken\r\n")):
            if self._number is not None:
                self._load.taken()
            self._number = self._load.next()
            if self._number is not None:
                self._transport.write(ENVELOPE)


class HttpClient(asyncio.Protocol):
    """One connection with one request under way."""

    def __init__(self, load: Load) -> None:
        self._load = load

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        assert data.startswith(b"HTTP/1.1 201")
        self._load.taken()
        self._send()

    def _send(self) -> None:
        number = self._load.next()
        if number is not None:
            self._transport.write(REQUEST % number)


async def run(kind: str, port: int, count: int) -> None:
    """Everything."""
    load = Load(count)
    client = {"smtp": SmtpClient, "http": HttpClient}[kind]
    loop = asyncio.get_running_loop()
    for _ in range(CONNECTIONS):
        await loop.create_connection(lambda: client(load), "127.0.0.1", port)
    await load.done.wait()


if __name__ == "__main__":
    uvloop.run(run(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
