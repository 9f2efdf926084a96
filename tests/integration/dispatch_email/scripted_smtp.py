"""An SMTP server that does as it is told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tocsin.channel import Provider
from tocsin.contracts.vocabulary import Channel
from tocsin.dispatch_email.smtp import SmtpConfig, SmtpProvider
from tocsin.runtime import SystemClock
from tocsin.testing.provider_suite import Behaviour

TAKEN = b"250 2.0.0 Ok: queued as 4F2A1B\r\n"


class ScriptedServer:
    """Speaks SMTP by a script: `replies` by command word replace the friendly ones; None drops the connection."""

    channel = Channel.EMAIL
    server_loggers = ()

    def __init__(self) -> None:
        self.replies: dict[str, bytes | None] = {}
        self.extensions = ["SIZE 1000000", "AUTH PLAIN", "SMTPUTF8", "8BITMIME", "ENHANCEDSTATUSCODES"]
        self.taken = 0
        self.connections = 0
        self.commands: list[str] = []
        self.messages: list[bytes] = []
        self.silent = asyncio.Event()
        self.data_without_recipients = b"554 5.5.1 no valid recipients\r\n"
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def end(self) -> None:
        """Hang up and wait until every conversation is over."""
        self.silent.set()
        await self.hang_up()
        await asyncio.gather(*self._tasks)

    async def hang_up(self) -> None:
        """Reset every connection and stop listening."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.drop()

    def drop(self) -> None:
        """Reset every connection."""
        for writer in self._writers:
            writer.transport.abort()

    async def behave(self, how: Behaviour) -> None:
        self.replies = dict(_SCRIPTS[how])
        if how is Behaviour.REFUSES_CONNECTIONS:
            await self.hang_up()
        else:
            await self.listen()

    @asynccontextmanager
    async def provider(self, *, call_timeout: float = 10.0, **fields: object) -> AsyncIterator[Provider]:
        clock = fields.pop("clock", SystemClock())
        config = SmtpConfig.model_validate(
            {"name": "test", "kind": "smtp", "host": "127.0.0.1", "port": self.port, "tls": "none",
             "helo": "client.example", "call_timeout": call_timeout} | fields
        )  # fmt: skip
        provider = SmtpProvider(config, clock)  # type: ignore[arg-type]  # a clock of either kind
        await provider.open()
        yield provider
        await provider.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        if (task := asyncio.current_task()) is not None:
            self._tasks.add(task)
        try:
            await self._talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not await self._reply(writer, "GREETING", b"220 server.example ESMTP\r\n"):
            return
        recipients = 0
        while line := await reader.readline():
            word = line.split()[0].decode().upper()
            self.commands.append(line.decode().strip())
            refused = (self.replies.get(word) or b"2").startswith((b"4", b"5"))
            recipients = 0 if word in {"MAIL", "RSET"} else recipients + (word == "RCPT" and not refused)
            friendly = {"DATA": b"354 go ahead\r\n", "QUIT": b"221 bye\r\n"}.get(word, b"250 2.0.0 fine\r\n")
            if word == "EHLO":
                friendly = self._introduction()
            if word == "DATA" and not recipients:
                friendly = self.data_without_recipients
            if not await self._reply(writer, word, friendly):
                return
            if word == "DATA" and self.replies.get("DATA", friendly) == b"354 go ahead\r\n":
                await self._take(reader, writer)

    def _introduction(self) -> bytes:
        lines = ["250-server.example", *(f"250-{name}" for name in self.extensions[:-1])]
        return "\r\n".join([*lines, f"250 {self.extensions[-1]}"]).encode() + b"\r\n"

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines: list[bytes] = []
        while (line := await reader.readline()) != b".\r\n":
            if not line:
                raise ConnectionResetError
            lines.append(line.removeprefix(b"."))
        self.messages.append(b"".join(lines))
        if not await self._reply(writer, "MESSAGE", TAKEN):
            raise ConnectionResetError

    async def _reply(self, writer: asyncio.StreamWriter, word: str, friendly: bytes) -> bool:
        reply = self.replies.get(word, friendly)
        if reply is None:
            return False
        if reply == b"":
            await self.silent.wait()
            return False
        if word == "MESSAGE" and reply == TAKEN:
            self.taken += 1
        writer.write(reply)
        await writer.drain()
        return True


_SCRIPTS: dict[Behaviour, dict[str, bytes | None]] = {
    Behaviour.TAKES: {},
    Behaviour.REFUSES_RECIPIENT: {"RCPT": b"550 5.1.1 <marked-address@example.org>: no such user\r\n"},
    Behaviour.THROTTLES: {"MAIL": b"450 4.7.1 marked-address@example.org too much mail\r\n"},
    Behaviour.REFUSES_CREDENTIALS: {"MAIL": b"530 5.7.0 Authentication required\r\n"},
    Behaviour.REFUSES_CONNECTIONS: {},
    Behaviour.SILENT: {"MESSAGE": b""},
    Behaviour.RESETS: {"MESSAGE": None},
    Behaviour.BABBLES: {"MESSAGE": b"HTTP/1.1 400 marked-address@example.org\r\n"},
}
