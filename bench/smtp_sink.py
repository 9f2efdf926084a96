"""A mail server that takes everything and remembers which notification came when: the end of the measured path.

`python bench/smtp_sink.py SMTP_PORT CONTROL_PORT` runs until it is ended. It speaks as much ESMTP as a client needs,
pipelining included, and looks at nothing of a mail but one header, so that it costs as little as possible. On the control
port a line `count` is answered with how many mails came since the last `take`, `take` with their ids and times (seconds
since 1970) as JSON; taking empties it.
"""

import asyncio
import sys
import time
from typing import cast

import msgspec
import uvloop

ID_HEADER = b"\r\nX-Tocsin-Notification: "
ID_BYTES = 36
END_OF_MAIL = b"\r\n.\r\n"
GREETING = b"220 sink ESMTP\r\n"
EXTENSIONS = b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE 10485760\r\n"


class Caught(msgspec.Struct):
    """What came, in the order in which it came: `ids[i]` was complete at `times[i]`."""

    ids: list[str] = []
    times: list[float] = []


class Session(asyncio.Protocol):
    """One client."""

    def __init__(self, caught: Caught) -> None:
        self._caught = caught
        self._held = bytearray()
        self._in_mail = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(GREETING)

    def data_received(self, data: bytes) -> None:
        self._held += data
        answers = bytearray()
        while (answer := self._next()) is not None:
            answers += answer
        if answers:
            self._transport.write(bytes(answers))

    def _next(self) -> bytes | None:
        """The answer to the next whole thing in the buffer; None when there is none."""
        if self._in_mail:
            return self._mail()
        end = self._held.find(b"\r\n")
        if end < 0:
            return None
        verb = bytes(self._held[:4]).upper()
        del self._held[: end + 2]
        if verb == b"DATA":
            self._in_mail = True
            return b"354 go on\r\n"
        if verb == b"EHLO":
            return EXTENSIONS
        if verb == b"QUIT":
            self._transport.write(b"221 bye\r\n")
            self._transport.close()
            return None
        return b"250 ok\r\n"

    def _mail(self) -> bytes | None:
        end = self._held.find(END_OF_MAIL)
        if end < 0:
            return None
        start = self._held.find(ID_HEADER, 0, end) + len(ID_HEADER)
        self._caught.ids.append(self._held[start : start + ID_BYTES].decode("ascii", "replace"))
        self._caught.times.append(time.time())
        del self._held[: end + len(END_OF_MAIL)]
        self._in_mail = False
        return b"250 taken\r\n"


async def serve(smtp_port: int, control_port: int) -> None:
    """Both ports, until cancelled."""
    caught = Caught()

    async def control(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            if line == b"take\n":
                writer.write(msgspec.json.encode(caught) + b"\n")
                caught.ids, caught.times = [], []
            else:
                writer.write(b"%d\n" % len(caught.ids))
            await writer.drain()
        writer.close()

    loop = asyncio.get_running_loop()
    smtp_server = await loop.create_server(lambda: Session(caught), "127.0.0.1", smtp_port, backlog=512)
    control_server = await asyncio.start_server(control, "127.0.0.1", control_port)
    async with smtp_server, control_server:
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2])))
