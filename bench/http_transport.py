"""Which transport should carry providers' HTTP requests: httpx's own, or aiohttp under httpx's API?

`python bench/http_transport.py [requests]` posts a Twilio-sized form to a bare server in another process, 64 in flight,
and prints requests a second, CPU microseconds of ours a request, and the ratio to httpx's own transport.
"""

import asyncio
import multiprocessing
import sys
import time
from multiprocessing.connection import Connection
from typing import cast

import httpx
import uvloop

from tocsin.channel.http import http_client

IN_FLIGHT = 64
FORM = {"To": "+4915112345678", "From": "+4915100000000", "Body": "Your order is under way. " * 4}
ANSWER = b'HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n{"sid": "SM1"}'


class Sink(asyncio.Protocol):
    """Answers every request that ends with its form; parses nothing else."""

    def __init__(self) -> None:
        self._seen = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._seen += data
        head, gap, body = self._seen.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if gap and len(body) >= int(length):
            self._seen = b""
            self._transport.write(ANSWER)


def sink(pipe: Connection) -> None:
    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(serve())


async def measure(client: httpx.AsyncClient, url: str, count: int) -> tuple[float, float]:
    """Requests a second, and CPU microseconds a request."""

    async def some(share: int) -> None:
        for _ in range(share):
            response = await client.post(url, data=FORM, auth=("account", "token"))
            assert response.json() == {"sid": "SM1"}

    async with client:
        await asyncio.gather(*(some(1) for _ in range(IN_FLIGHT)))
        wall, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(some(count // IN_FLIGHT) for _ in range(IN_FLIGHT)))
        done = count // IN_FLIGHT * IN_FLIGHT
        return done / (time.perf_counter() - wall), (time.process_time() - cpu) / done * 1e6


async def main(url: str, count: int) -> None:
    limits = httpx.Limits(max_connections=IN_FLIGHT, max_keepalive_connections=IN_FLIGHT)
    own = await measure(httpx.AsyncClient(limits=limits, timeout=30, trust_env=False), url, count)
    ours = await measure(http_client(timeout=30, connect_timeout=30, connections=IN_FLIGHT), url, count)
    print(f"{IN_FLIGHT} in flight            requests/s   CPU us a request   ratio")
    print(f"httpx's own transport   {own[0]:10,.0f}   {own[1]:16,.0f}    1.0")
    print(f"aiohttp beneath httpx   {ours[0]:10,.0f}   {ours[1]:16,.0f}   {own[1] / ours[1]:4.1f}")


if __name__ == "__main__":
    here, there = multiprocessing.Pipe()
    process = multiprocessing.Process(target=sink, args=(there,), daemon=True)
    process.start()
    uvloop.run(main(f"http://127.0.0.1:{here.recv()}/", int(sys.argv[1]) if len(sys.argv) > 1 else 6400))
    process.terminate()
