"""An HTTP/2 listener without TLS: what APNs-shaped requests come over. Requests are small, and each is answered when it is whole."""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, cast

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded, StreamReset
from h2.exceptions import ProtocolError

_LARGEST_BODY: Final = 64 * 1024  # far above what APNs takes; what comes beyond it is not kept


class Http2Answer(NamedTuple):
    """`content` becomes JSON; None: no body."""

    status: int
    headers: Mapping[str, str]
    content: dict[str, Any] | None = None


Answering = Callable[[Mapping[str, str], bytes], Http2Answer]
"""From a request's headers, pseudo-headers among them, and its body."""


async def open_http2(*, host: str, port: int, answer: Answering) -> asyncio.Server:
    """Listens at once."""
    return await asyncio.get_running_loop().create_server(lambda: _Connection(answer), host, port)


class _Connection(asyncio.Protocol):
    def __init__(self, answer: Answering) -> None:
        self._answer = answer
        self._h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self._requests: dict[int, tuple[dict[str, str], bytearray]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._h2.initiate_connection()
        self._transport.write(self._h2.data_to_send())

    def data_received(self, data: bytes) -> None:
        try:
            events = self._h2.receive_data(data)
        except ProtocolError:
            self._transport.close()
            return
        for event in events:
            match event:
                case RequestReceived(stream_id=stream, headers=headers):
                    self._requests[stream] = (
                        {str(name): str(value) for name, value in headers},
                        bytearray(),
                    )
                case DataReceived(stream_id=stream, data=part, flow_controlled_length=length):
                    self._h2.acknowledge_received_data(length, stream)
                    body = self._requests[stream][1]
                    body += part[: _LARGEST_BODY - len(body)]
                case StreamEnded(stream_id=stream):
                    self._respond(stream)
                case StreamReset(stream_id=stream):
                    self._requests.pop(stream, None)
        self._transport.write(self._h2.data_to_send())

    def _respond(self, stream: int) -> None:
        headers, body = self._requests.pop(stream)
        answer = self._answer(headers, bytes(body))
        content = b"" if answer.content is None else json.dumps(answer.content).encode()
        self._h2.send_headers(
            stream, [(":status", str(answer.status)), *answer.headers.items()], end_stream=not content
        )
        if content:
            self._h2.send_data(stream, content, end_stream=True)
