"""The load: requests to ingest over kept connections, as a closed loop or at planned times.

`python bench/http_load.py ORDER_FILE RESULT_FILE` does what the order says and ends. Requests are bytes made beforehand
and answers are looked at for status and length only, so that the load takes as little of the machine as it can.
"""

import asyncio
import sys
import time
from collections import deque
from pathlib import Path
from typing import cast

import msgspec
import uvloop

from shapes import Order, request

OPEN_LOOP_TICK = 0.001  # seconds
PATIENCE = 30.0  # seconds for the answers that are still out when everything is sent


class Result(msgspec.Struct, kw_only=True):
    """By number of the request: when it was to be sent (in a closed loop: was), when it was answered, and how (0: not)."""

    planned: list[float]
    answered: list[float]
    statuses: list[int]
    cpu_seconds: float


class Connection(asyncio.Protocol):
    """One kept connection with at most one request under way."""

    def __init__(self, load: "Load") -> None:
        self._load = load
        self._number = -1
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def send(self, number: int) -> None:
        """Send the request of this number."""
        self._number = number
        self._transport.write(self._load.requests[number])

    def data_received(self, data: bytes) -> None:
        self._held += data
        head, gap, body = self._held.partition(b"\r\n\r\n")
        if not gap:
            return
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if len(body) < int(length or 0):
            return
        status, self._held = int(head[9:12]), b""
        self._load.answered(self, self._number, status)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._load.lost()


class Load:
    """One order, carried out."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._count = order.count // order.size
        self.requests = [request(order, number) for number in range(self._count)]
        self.result = Result(
            planned=[0.0] * self._count,
            answered=[0.0] * self._count,
            statuses=[0] * self._count,
            cpu_seconds=0,
        )
        self._free: deque[Connection] = deque()
        self._due: deque[int] = deque()
        self._sent = 0
        self._open = 0
        self._room = order.count if order.sink_port is None else order.window  # messages
        self._until = 0.0
        self._broken: Exception | None = None
        self._quiet = asyncio.Event()

    async def run(self) -> Result:
        """Send everything and wait for the answers."""
        loop = asyncio.get_running_loop()
        for _ in range(self._order.connections):
            _, connection = await loop.create_connection(
                lambda: Connection(self), "127.0.0.1", self._order.port
            )
            self._free.append(connection)
        cpu = time.process_time()
        if self._order.rate is None:
            await self._closed_loop()
        else:
            await self._open_loop(self._order.rate / self._order.size)
        async with asyncio.timeout(PATIENCE):
            await self._quiet.wait()
        if self._broken is not None:
            raise self._broken
        self.result.cpu_seconds = time.process_time() - cpu
        del (
            self.result.planned[self._sent :],
            self.result.answered[self._sent :],
            self.result.statuses[self._sent :],
        )
        return self.result

    async def _closed_loop(self) -> None:
        self._until = time.time() + self._order.seconds
        self._go_on()
        if self._order.sink_port is None:
            return
        reader, writer = await asyncio.open_connection("127.0.0.1", self._order.sink_port)
        while not self._quiet.is_set():
            writer.write(b"count\n")
            self._room = int(await reader.readline()) + self._order.window
            self._go_on()
            await asyncio.sleep(0.01)
        writer.close()

    def _go_on(self) -> None:
        """Send on free connections while there is something to send, and room for it."""
        now = time.time()
        most = min(self._count, self._room // self._order.size)
        while self._free and self._sent < most and now < self._until:
            self.result.planned[self._sent] = now
            self._send(self._sent)
            self._sent += 1
        if not self._open and (self._sent >= self._count or now >= self._until):
            self._quiet.set()

    async def _open_loop(self, rate: float) -> None:
        start = time.time() + 0.05
        while self._sent < self._count:
            now = time.time()
            while self._sent < self._count and (planned := start + self._sent / rate) <= now:
                self.result.planned[self._sent] = planned
                self._due.append(self._sent)
                self._sent += 1
            self._send_due()
            await asyncio.sleep(OPEN_LOOP_TICK)

    def _send_due(self) -> None:
        """What finds no free connection waits, and its time runs on."""
        while self._due and self._free:
            self._send(self._due.popleft())

    def _send(self, number: int) -> None:
        self._open += 1
        self._free.popleft().send(number)

    def answered(self, connection: Connection, number: int, status: int) -> None:
        """One answer is here, and its connection free."""
        self.result.answered[number] = time.time()
        self.result.statuses[number] = status
        self._open -= 1
        self._free.append(connection)
        if self._order.rate is None:
            self._go_on()
            return
        self._send_due()
        if not self._open and self._sent >= self._count:
            self._quiet.set()

    def lost(self) -> None:
        """Ingest closed a connection: what was on it has no answer, and the run is of no use."""
        if not self._quiet.is_set():
            self._broken = ConnectionError("ingest closed a connection")
            self._quiet.set()


def main(order_file: str, result_file: str) -> None:
    """Carry the order out and write the result."""
    order = msgspec.json.decode(Path(order_file).read_bytes(), type=Order)

    async def run() -> Result:
        return await Load(order).run()

    Path(result_file).write_bytes(msgspec.json.encode(uvloop.run(run())))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
