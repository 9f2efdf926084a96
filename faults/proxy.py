"""The network between two processes: a TCP proxy whose links can be cut, slowed, or leave both ends waiting.

`python -m proxy FOLDER` in `faults/`; FOLDER/ports.json holds its control port. It runs until it is ended. `links.py` is
the scenario's side.
"""

import asyncio
import sys
from enum import StrEnum
from pathlib import Path
from typing import cast

import msgspec
import uvloop

from control import Refused, serve_control, write_ports

_MOST_HELD = 1 << 20  # bytes of one direction; more stays with the sender
_TICK = 0.05  # seconds


class Mode(StrEnum):
    """What a link does with bytes."""

    PASS = "pass"
    CUT = "cut"
    """All connections are reset, new ones are refused."""
    HALF_OPEN = "half_open"
    """Connections stay and are made, nothing arrives; what was held is passed on when the link works again."""
    DELAY = "delay"
    """Every byte arrives `amount` milliseconds later."""
    DRIP = "drip"
    """At most `amount` bytes a second each way, on each connection."""


class Add(msgspec.Struct, tag="add", frozen=True):
    """A new link to a port on loopback; the answer is the port to connect to, which is `port` unless that is 0."""

    name: str
    target: int
    port: int = 0


class Change(msgspec.Struct, tag="change", frozen=True):
    """Another mode for a link; `amount` is in the mode's unit."""

    name: str
    mode: Mode
    amount: float = 0.0


class Ports(msgspec.Struct, frozen=True):
    """`ports.json`."""

    control: int


_read = msgspec.json.Decoder(Add | Change).decode


class Link:
    """One listening port and where it leads."""

    def __init__(self, target: int, port: int) -> None:
        self.target = target
        self.port = port
        self.mode = Mode.PASS
        self.amount = 0.0
        self.sides: set[Side] = set()
        self._server: asyncio.Server | None = None

    async def listen(self) -> None:
        """Take connections."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Side(self), "127.0.0.1", self.port, backlog=512, reuse_address=True
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def change(self, mode: Mode, amount: float) -> None:
        """From now on, for open connections too."""
        self.mode, self.amount = mode, amount
        if mode is Mode.CUT:
            self._cut()
        elif self._server is None:
            await self.listen()
        for side in list(self.sides):
            side.go_on()

    def _cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for side in list(self.sides):
            side.abort()


class Side(asyncio.Protocol):
    """One connection, of a client or to the target. What comes in is held, and written to the `other` when it is due."""

    def __init__(self, link: Link, other: "Side | None" = None) -> None:
        self._link = link
        self._other = other
        self._accepted = other is None
        self._held: list[tuple[float, bytes]] = []
        self._bytes = 0
        self._ended = False
        self._lost = False
        self._told = False
        self._timer: asyncio.TimerHandle | None = None
        self._connecting: asyncio.Task[None] | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._link.sides.add(self)
        if self._other is not None:
            self._other.go_on()
        self.go_on()

    def data_received(self, data: bytes) -> None:
        self._held.append((asyncio.get_running_loop().time(), data))
        self._bytes += len(data)
        if self._bytes > _MOST_HELD and self.transport is not None:
            self.transport.pause_reading()
        self.go_on()

    def eof_received(self) -> bool:
        self._ended = True
        self.go_on()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._link.sides.discard(self)
        self._ended = self._lost = True
        if exc is not None:
            self._held.clear()
        self.go_on()

    def abort(self) -> None:
        """Reset it."""
        self._held.clear()
        if self.transport is not None:
            self.transport.abort()

    def go_on(self) -> None:
        """Pass on what is due now, and come back for the rest."""
        if self._link.mode is Mode.HALF_OPEN or self._timer is not None:
            return
        if self._other is None or self._other.transport is None:
            self._connect()
            return
        wait = self._pass_on(self._other.transport)
        if wait is not None:
            self._timer = asyncio.get_running_loop().call_later(wait, self._again)
        elif self._ended and not self._held:
            self._end(self._other)

    def _end(self, other: "Side") -> None:
        """Tell the other side that nothing more comes; with nothing more from there either, it is over."""
        if other.transport is None or other.transport.is_closing():
            return
        if self._lost or other._ended:
            other.transport.close()
            if self.transport is not None:
                self.transport.close()
        elif not self._told:
            self._told = True
            other.transport.write_eof()

    def _again(self) -> None:
        self._timer = None
        self.go_on()

    def _pass_on(self, to: asyncio.Transport) -> float | None:
        """Seconds until more is due; None when nothing is held."""
        now = asyncio.get_running_loop().time()
        room = max(1, int(self._link.amount * _TICK)) if self._link.mode is Mode.DRIP else _MOST_HELD * 64
        delay = self._link.amount / 1000 if self._link.mode is Mode.DELAY else 0.0
        while self._held and room:
            came, data = self._held[0]
            if came + delay > now:
                return came + delay - now
            to.write(data[:room])
            self._bytes -= len(data[:room])
            self._held[0] = (came, data[room:])
            room -= len(data[:room])
            if not self._held[0][1]:
                del self._held[0]
        if self._bytes <= _MOST_HELD and self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()
        return _TICK if self._held else None

    def _connect(self) -> None:
        if self._accepted and self._connecting is None:
            self._connecting = asyncio.create_task(self._reach())

    async def _reach(self) -> None:
        other = Side(self._link, self)
        try:
            await asyncio.get_running_loop().create_connection(lambda: other, "127.0.0.1", self._link.target)
        except OSError:
            self.abort()
            return
        self._other = other
        self.go_on()


class Proxy:
    """All links of this process."""

    def __init__(self) -> None:
        self._links: dict[str, Link] = {}

    async def answer(self, line: bytes) -> object:
        """What was asked over the control port."""
        match _read(line):
            case Add(name=name, target=target, port=port):
                link = self._links[name] = Link(target, port)
                await link.listen()
                return link.port
            case Change(name=name, mode=mode, amount=amount):
                if name not in self._links:
                    raise Refused(f"no link is called {name!r}")
                await self._links[name].change(mode, amount)
        return None


async def serve(folder: Path) -> None:
    """Until cancelled."""
    control = await serve_control(Proxy().answer)
    write_ports(folder, Ports(control.sockets[0].getsockname()[1]))
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1])))
