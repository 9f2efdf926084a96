"""An HTTP/2 server for tests of providers, as `tocsin.testing.http_world` has one for HTTP/1.1: it reads requests whole, then answers,
or misbehaves, as it is told. Without TLS unless it is given some."""

import asyncio
import ssl
from abc import ABC, abstractmethod
from typing import ClassVar

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, PingReceived, RequestReceived, StreamEnded, StreamReset
from h2.settings import SettingCodes, Settings
from hyperframe.frame import GoAwayFrame

from tocsin.testing.http_world import Response
from tocsin.testing.provider_suite import Behaviour


class ServerConnection(asyncio.Protocol):
    """One connection from a client. Requests are answered by the world."""

    def __init__(self, world: "Http2World") -> None:
        self.world = world
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.requests: dict[int, tuple[dict[str, str], bytearray]] = {}
        self.unacknowledged: list[tuple[int, int]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.world.connections.append(self)
        initial = {SettingCodes.MAX_CONCURRENT_STREAMS: self.world.streams}
        if self.world.window is not None:
            initial[SettingCodes.INITIAL_WINDOW_SIZE] = self.world.window
        self.h2.local_settings = Settings(client=False, initial_values=initial)
        self.h2.initiate_connection()
        self.flush()

    def data_received(self, data: bytes) -> None:
        for event in self.h2.receive_data(data):
            match event:
                case RequestReceived(stream_id=stream, headers=headers):
                    self.requests[stream] = ({str(name): str(value) for name, value in headers}, bytearray())
                    self.world.most_at_once = max(self.world.most_at_once, len(self.requests))
                case DataReceived(stream_id=stream, data=part, flow_controlled_length=length):
                    self.requests[stream][1].extend(part)
                    self.unacknowledged.append((length, stream))
                    if not self.world.holds_windows:
                        self.widen()
                case StreamEnded(stream_id=stream):
                    self.request(stream)
                case StreamReset(stream_id=stream):
                    self.requests.pop(stream, None)
                    self.world.resets += 1
                case PingReceived():
                    self.world.pings += 1
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self.world.connections.remove(self)

    def request(self, stream: int) -> None:
        """A request is whole."""
        self.world.requests += 1
        match self.world.how:
            case Behaviour.SILENT:
                return
            case Behaviour.RESETS:
                self.transport.abort()
            case Behaviour.BABBLES:
                self.transport.write(b"220 mail.example.org ESMTP marked-body\r\n")
                self.transport.close()
            case _ if self.world.holds_answers:
                self.world.held.append((self, stream))
            case _:
                self.answer(stream)

    def answer(self, stream: int) -> None:
        """Answer a request that is whole."""
        head, body = self.requests.pop(stream)
        status, headers, content = self.world.scripted or self.world.respond(head, bytes(body))
        fields = [(":status", str(status)), *((name.lower(), value) for name, value in headers.items())]
        self.h2.send_headers(stream, fields, end_stream=not content)
        if content:
            self.h2.send_data(stream, content, end_stream=True)
        self.flush()

    def reset(self, stream: int, code: ErrorCodes) -> None:
        """End a stream without an answer."""
        self.requests.pop(stream)
        self.h2.reset_stream(stream, code)
        self.flush()

    def widen(self) -> None:
        """Let the client send as much as was received."""
        for length, stream in self.unacknowledged:
            self.h2.acknowledge_received_data(length, stream)
        self.unacknowledged.clear()
        self.flush()

    def say_farewell(self, last_stream: int, content: bytes = b"") -> None:
        """GOAWAY, of which `h2` must not know: it would let us send nothing more."""
        frame = GoAwayFrame(0, last_stream_id=last_stream, error_code=0, additional_data=content)
        self.transport.write(frame.serialize())

    def flush(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(self.h2.data_to_send())


class Http2World(ABC):
    """Subclass it: `respond` checks a request as the API's documentation has it, and answers; `scripts` are its refusals.

    Counts what was `taken` in `respond`'s hands; `scripted`, when set, answers instead of `respond`.
    """

    server_loggers: tuple[str, ...] = ()
    scripts: ClassVar[dict[Behaviour, Response]] = {}
    tls: ssl.SSLContext | None = None

    def __init__(self) -> None:
        self.how = Behaviour.TAKES
        self.scripted: Response | None = None
        self.taken = self.requests = self.resets = self.pings = self.most_at_once = 0
        self.streams = 1000
        """That a client may have open."""
        self.window: int | None = None
        """Bytes of a body before the first acknowledgement; None: as HTTP/2 has it."""
        self.holds_windows = self.holds_answers = False
        self.held: list[tuple[ServerConnection, int]] = []
        """Whole requests that wait for `answer`, if `holds_answers`."""
        self.connections: list[ServerConnection] = []
        self.port = 0
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @abstractmethod
    def respond(self, head: dict[str, str], body: bytes) -> Response:
        """Answer one request: its headers with the pseudo-headers, its body."""

    async def listen(self) -> None:
        """Begin to listen, always on the same port."""
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(
                lambda: ServerConnection(self), "127.0.0.1", self.port, ssl=self.tls
            )
            self.port = self._server.sockets[0].getsockname()[1]

    async def hang_up(self) -> None:
        """Stop listening and reset every connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in self.connections:
            connection.transport.abort()

    async def behave(self, how: Behaviour) -> None:
        """Change what happens from the next request on."""
        self.how, self.scripted = how, self.scripts.get(how)
        await (self.hang_up() if how is Behaviour.REFUSES_CONNECTIONS else self.listen())

    def answer_all(self) -> None:
        """What is held is answered."""
        for connection, stream in self.held:
            connection.answer(stream)
        self.held.clear()
