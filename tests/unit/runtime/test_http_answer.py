"""An answer has the bytes that uvicorn would write, in one piece where its body is whole."""

import asyncio
import logging
from typing import Any

import pytest
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from tocsin.runtime.http_answer import Answer

DATE = (b"date", b"Thu, 26 Nov 2026 23:00:00 GMT")


class Transport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


def cycle(of: type[RequestResponseCycle], *, method: str = "POST", keep_alive: bool = True) -> Any:
    transport, ended = Transport(), list[bool]()
    logger = logging.getLogger("test")
    scope: Any = {"type": "http", "method": method, "http_version": "1.1", "path": "/", "headers": []}
    made: Any = of(
        scope=scope,
        transport=transport,
        flow=FlowControl(transport),
        logger=logger,
        access_logger=logger,
        access_log=False,
        default_headers=[DATE],
        message_event=asyncio.Event(),
        expect_100_continue=False,
        keep_alive=keep_alive,
        on_response=lambda: ended.append(True),
    )
    made.ended = ended
    return made


def start(status: int, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": [*headers]}


def part(body: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": more}


async def send_all(made: Any, messages: list[Any]) -> None:
    for message in messages:
        await made.send(message)


LENGTH = (b"Content-Length", b"2")
ANSWERS = [
    ("POST", [start(202, LENGTH, (b"content-type", b"application/json")), part(b"{}")], 1),
    ("POST", [start(413, LENGTH, (b"connection", b"close")), part(b"{}")], 1),
    ("POST", [start(200, (b"content-length", b"0")), part(b"")], 1),
    ("POST", [start(200, LENGTH), part(b"{", more=True), part(b"}")], 3),
    ("POST", [start(200), part(b"{", more=True), part(b"}")], 3),
    ("HEAD", [start(200, LENGTH), part(b"")], None),
    ("POST", [start(204), part(b"")], None),
    ("POST", [start(304), part(b"")], None),
]


@pytest.mark.parametrize("keep_alive", [True, False])
@pytest.mark.parametrize(("method", "messages", "writes"), ANSWERS)
async def test_it_is_as_uvicorns(
    method: str, messages: list[Any], writes: int | None, keep_alive: bool
) -> None:
    ours, theirs = (cycle(of, method=method, keep_alive=keep_alive) for of in (Answer, RequestResponseCycle))
    await send_all(ours, messages)
    await send_all(theirs, messages)
    assert b"".join(ours.transport.written) == b"".join(theirs.transport.written)
    for name in ("response_started", "response_complete", "keep_alive", "ended"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert ours.transport.closed == theirs.transport.closed
    assert ours.message_event.is_set() == theirs.message_event.is_set()
    if writes is not None:
        assert len(ours.transport.written) == writes


@pytest.mark.parametrize(
    "messages",
    [
        [start(200, (b"content-length", b"3")), part(b"{}")],
        [start(200, (b"content-length", b"1")), part(b"{}")],
        [start(200, (b"x", b"a\r\nset-cookie: b"), LENGTH), part(b"{}")],
        [start(200, (b"x: y\r\nz", b"a"), LENGTH), part(b"{}")],
        [part(b"{}")],
        [start(200, LENGTH), part(b"{}"), part(b"{}")],
        [start(200, LENGTH), part(b"{}"), start(200, LENGTH)],
    ],
)
async def test_what_uvicorn_refuses_to_write_is_refused(messages: list[Any]) -> None:
    for of in (Answer, RequestResponseCycle):
        made = cycle(of)
        with pytest.raises(RuntimeError):
            await send_all(made, messages)
        assert b"set-cookie" not in b"".join(made.transport.written)


async def test_a_head_without_a_body_is_taken_back_by_the_answer_that_something_went_wrong() -> None:
    made = cycle(Answer)

    async def fails(_scope: Any, _receive: Any, send: Any) -> None:
        await send(start(200, LENGTH))
        raise ZeroDivisionError

    await made.run_asgi(fails)
    assert b"".join(made.transport.written).startswith(b"HTTP/1.1 500 ")


async def test_nothing_is_written_to_a_caller_who_has_left() -> None:
    made = cycle(Answer)
    made.disconnected = True
    await made.send(start(200, LENGTH))
    await made.send(part(b"{}"))
    assert made.transport.written == []


async def test_a_caller_who_does_not_read_is_waited_for() -> None:
    made = cycle(Answer)
    made.flow.pause_writing()
    await made.send(start(200, LENGTH))
    body = asyncio.create_task(made.send(part(b"{}")))
    await asyncio.sleep(0)
    assert made.transport.written == []
    made.flow.resume_writing()
    await body
    assert b"".join(made.transport.written).endswith(b"\r\n\r\n{}")
