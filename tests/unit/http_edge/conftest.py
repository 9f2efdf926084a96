"""A real server on a real socket, before an application that keeps what it was asked to do."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi import Request
from prometheus_client import REGISTRY

from tocsin.contracts.directory import ApiKeyRecord
from tocsin.runtime import Health, HttpSettings
from tocsin.runtime.http import HttpServer
from tocsin.web import Answered, KeyTable, Posted, Sender, new_key, service_app

PATIENCE = 20.0
"""Seconds after which a test that waits for the server fails."""


@dataclass
class Answer:
    """One answer, taken apart."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """Of a problem, which it has to be."""
        assert self.headers["content-type"] == "application/problem+json"
        problem = json.loads(self.body)
        assert problem["status"] == self.status
        assert problem["request_id"] == self.headers["x-request-id"]
        return str(problem["code"])


class Connection:
    """A caller that writes bytes of any kind."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, *pieces: bytes) -> "Connection":
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
        return self

    async def answer(self) -> Answer:
        """The next answer; whatever comes before it (1xx) is in `headers` as `informational`."""
        async with asyncio.timeout(PATIENCE):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head[:-4].split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            status = int(first.split(" ")[1])
            body = await self.reader.readexactly(int(headers.get("content-length", 0)))
            if status == 100:
                following = await self.answer()
                following.headers["informational"] = "100"
                return following
        return Answer(status, headers, body)

    async def closed(self) -> bool:
        """Wait until the server has closed; whether nothing more came."""
        async with asyncio.timeout(PATIENCE):
            try:
                return await self.reader.read() == b""
            except ConnectionResetError:
                return True

    def close(self) -> None:
        self.writer.close()


@dataclass
class Edge:
    """The server, its key, and the bodies of the requests that were carried out."""

    port: int
    server: HttpServer
    key: str
    done: list[bytes] = field(default_factory=list)
    app: Any = None
    _opened: list[Connection] = field(default_factory=list)

    async def connect(self) -> Connection:
        connection = Connection(*await asyncio.open_connection("127.0.0.1", self.port))
        self._opened.append(connection)
        return connection

    async def ask(self, *pieces: bytes) -> Answer:
        return await (await (await self.connect()).send(*pieces)).answer()

    def head(self, method: str, path: str, *fields: str, key: bool = True) -> bytes:
        """The head of a request with these fields."""
        lines = [f"{method} {path} HTTP/1.1", "Host: t", *fields]
        if key:
            lines.append(f"Authorization: Bearer {self.key}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def post(self, body: bytes, *fields: str, key: bool = True, path: str = "/v1/take") -> bytes:
        """A whole request."""
        return self.head("POST", path, f"Content-Length: {len(body)}", *fields, key=key) + body

    async def still_serves(self) -> bool:
        return (await self.ask(self.head("GET", "/v1/things", key=False))).status == 200

    def held(self) -> float:
        """Bytes of bodies that the server holds now, as its metrics say."""
        return REGISTRY.get_sample_value("tocsin_http_bodies_bytes", {"component": "edge"}) or 0

    def at_work(self) -> float:
        """Requests that are being answered now, as its metrics say."""
        return REGISTRY.get_sample_value("tocsin_http_in_flight", {"component": "edge"}) or 0

    def connections(self) -> int:
        """Connections that the server has now."""
        return self.server.connections

    def close(self) -> None:
        for connection in self._opened:
            connection.close()


@asynccontextmanager
async def serving(*, bodies: int = 64 * 1024 * 1024, **limits: Any) -> AsyncIterator[Edge]:
    key = new_key("live")
    keys = KeyTable()
    keys.put(ApiKeyRecord(tenant="acme", id=key.id, mode="live", sha256=key.sha256, scopes=["send"]))
    done: list[bytes] = []

    async def take_plain(posted: Posted) -> Answered:
        """Of plain requests, for which no attack may open another way."""
        done.append(posted.body)
        fields = sorted(name.decode("latin-1") for name, _ in posted.headers)
        answer = {"bytes": len(posted.body), "tenant": posted.caller.tenant, "fields": fields}
        return Answered(200, json.dumps(answer).encode())

    app = service_app(
        name="edge",
        health=Health(service="edge"),
        keys=keys,
        public={"/u/": 4096},
        max_bodies_bytes=bodies,
        posts={"/v1/take": take_plain},
    )

    @app.post("/v1/take")
    async def take(request: Request, caller: Sender) -> dict[str, Any]:
        done.append(await request.body())
        return {"bytes": len(done[-1]), "tenant": caller.tenant, "fields": sorted(request.headers)}

    @app.post("/u/{token}")
    async def public(token: str, request: Request) -> int:
        done.append(await request.body())
        return len(done[-1])

    @app.get("/v1/things")
    async def things(size: int = 2) -> str:
        return "x" * size

    server = HttpServer(name="http", app=app, settings=HttpSettings(host="127.0.0.1", port=0, **limits))
    await server.start()
    edge = Edge(port=server.port, server=server, key=key.reveal(), done=done, app=app)
    try:
        yield edge
    finally:
        edge.close()
        async with asyncio.timeout(PATIENCE):
            await server.finish()


@pytest.fixture
def serve() -> Callable[..., AbstractAsyncContextManager[Edge]]:
    """`async with serve(head_timeout=0.2) as edge`: a server with these limits, and with the defaults of all others."""
    return serving


@pytest.fixture
async def edge() -> AsyncIterator[Edge]:
    """A server with the default limits."""
    async with serving() as running:
        yield running
