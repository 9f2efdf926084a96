"""What a sink keeps, how it answers, and its control port: what the sinks of mail and of HTTP have in common."""

import asyncio
import sys
import time
import zlib
from collections.abc import Callable

import msgspec
import uvloop


class Temper(msgspec.Struct, kw_only=True, frozen=True):
    """How a sink answers: some recipients slowly, some with an error the first time, by the hash of their address."""

    slow_share: float = 0.0
    slow_seconds: float = 1.0
    error_share: float = 0.0

    @property
    def even(self) -> bool:
        """Whether everybody is answered alike."""
        return not self.slow_share and not self.error_share

    def slow(self, recipient: bytes) -> bool:
        """Whether this one is answered late."""
        return _place(recipient) < self.slow_share

    def refuses(self, recipient: bytes) -> bool:
        """Whether this one's first message is refused. They are other ones than the slow."""
        return self.slow_share <= _place(recipient) < self.slow_share + self.error_share


def _place(recipient: bytes) -> float:
    return zlib.crc32(recipient) / 2**32


class Caught(msgspec.Struct):
    """What came, in the order in which it came: `ids[i]` was complete at `times[i]`."""

    ids: list[str] = []
    times: list[float] = []

    def add(self, message_id: bytes) -> None:
        """It is complete now."""
        self.ids.append(message_id.decode("ascii", "replace"))
        self.times.append(time.time())


Session = Callable[[Caught, Temper], asyncio.Protocol]


async def serve(session: Session, *, port: int, control_port: int, temper: Temper) -> None:
    """Both ports, until cancelled.

    On the control port a line `count` is answered with how many came since the last `take`, `take` with their ids and times (seconds
    since 1970) as JSON; taking empties it.
    """
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
    server = await loop.create_server(lambda: session(caught, temper), "127.0.0.1", port, backlog=512)
    control_server = await asyncio.start_server(control, "127.0.0.1", control_port)
    async with server, control_server:
        await asyncio.Event().wait()


def main(session: Session) -> None:
    """`PORT CONTROL_PORT [TEMPER]`, the last one as JSON."""
    port, control_port, *temper = sys.argv[1:]
    how = msgspec.json.decode(temper[0], type=Temper) if temper else Temper()
    uvloop.run(serve(session, port=int(port), control_port=int(control_port), temper=how))
