"""What does a request to APNs cost: over the protocol of dispatch-push, and over httpx with HTTP/2?

`python bench/apns_request.py [requests]` posts messages of usual size to a server in another process, 64 in flight over one connection, and
prints requests a second, CPU microseconds of ours a request, and the ratio. The server is Python, too, and slower than we are:
believe the processor time.
"""

import asyncio
import multiprocessing
import sys
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from typing import cast

import httpx
import uvloop
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, StreamEnded
from hpack import HeaderTuple, NeverIndexedHeaderTuple

from tocsin.dispatch_push.http2_client import Http2Client
from tocsin.dispatch_push.http2_exchange import Response

IN_FLIGHT = 64
TOKEN = b"bearer " + b"e" * 180
PATH = b"/3/device/" + b"ab" * 32
DELIVERY = b"3b0f6c1e-9d4b-5a53-8e33-1f2a4cbb1d10"
BODY = b'{"aps":{"alert":{"title":"Your order","body":"' + b"It is under way. " * 10 + b'"}},"order":"4711"}'
CONSTANT = {
    b"apns-topic": b"com.example.shop",
    b"apns-push-type": b"alert",
    b"apns-priority": b"10",
}
CHANGING = {
    b"apns-expiration": b"1767225600",
    b"apns-id": DELIVERY,
    b"apns-collapse-id": DELIVERY,
    b"authorization": TOKEN,
}


class Sink(asyncio.Protocol):
    """Answers every request with 200."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._h2 = H2Connection(H2Configuration(client_side=False))
        self._h2.initiate_connection()
        self._transport.write(self._h2.data_to_send())

    def data_received(self, data: bytes) -> None:
        for event in self._h2.receive_data(data):
            match event:
                case DataReceived(stream_id=stream, flow_controlled_length=length):
                    self._h2.acknowledge_received_data(length, stream)
                case StreamEnded(stream_id=stream):
                    self._h2.send_headers(stream, [(":status", "200"), ("apns-id", "x")], end_stream=True)
        self._transport.write(self._h2.data_to_send())


def sink(pipe: Connection) -> None:
    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(serve())


async def measure(post: Callable[[], Awaitable[int]], count: int) -> tuple[float, float]:
    """Requests a second, and CPU microseconds a request."""

    async def some(share: int) -> None:
        for _ in range(share):
            assert await post() == 200

    await asyncio.gather(*(some(1) for _ in range(IN_FLIGHT)))
    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(some(count // IN_FLIGHT) for _ in range(IN_FLIGHT)))
    done = count // IN_FLIGHT * IN_FLIGHT
    return done / (time.perf_counter() - wall), (time.process_time() - cpu) / done * 1e6


async def main(url: str, count: int) -> None:
    client = Http2Client(url, connect_timeout=10)
    await client.open()
    loop = asyncio.get_running_loop()

    async def ours() -> int:
        head = [
            HeaderTuple(b":method", b"POST"),
            HeaderTuple(b":scheme", client.scheme),
            HeaderTuple(b":authority", client.authority),
            NeverIndexedHeaderTuple(b":path", PATH),
            *(HeaderTuple(name, value) for name, value in CONSTANT.items()),
            *(NeverIndexedHeaderTuple(name, value) for name, value in CHANGING.items()),
        ]
        answer = await client.request(head, BODY, until=loop.time() + 30)
        return answer.status if isinstance(answer, Response) else 0

    own = await measure(ours, count)
    await client.close()
    async with httpx.AsyncClient(http1=False, http2=True, timeout=30, trust_env=False) as other:

        async def theirs() -> int:
            headers = {**CONSTANT, **CHANGING}
            return (await other.post(url + PATH.decode(), content=BODY, headers=headers)).status_code

        httpxs = await measure(theirs, count)
    print(f"{IN_FLIGHT} in flight     requests/s   CPU us a request   ratio")
    print(f"httpx[http2]     {httpxs[0]:10,.0f}   {httpxs[1]:16,.0f}    1.0")
    print(f"dispatch-push    {own[0]:10,.0f}   {own[1]:16,.0f}   {httpxs[1] / own[1]:4.1f}")


if __name__ == "__main__":
    here, there = multiprocessing.Pipe()
    process = multiprocessing.Process(target=sink, args=(there,), daemon=True)
    process.start()
    uvloop.run(main(f"http://127.0.0.1:{here.recv()}", int(sys.argv[1]) if len(sys.argv) > 1 else 3200))
