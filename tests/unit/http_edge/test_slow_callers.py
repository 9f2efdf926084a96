"""How long a caller may take, and how many may be there at once."""

import asyncio
import socket
from typing import Any

import pytest

from tocsin.testing.until import until

SOON = 0.3
"""Seconds, in the place of the 10 and 30 of the defaults."""


@pytest.mark.parametrize("beginning", [b"G", b"GET / HTTP/1.1\r\nHost: t\r\n", b"\r\n\r\n"])
async def test_a_head_that_does_not_end_is_answered_408(serve: Any, beginning: bytes) -> None:
    async with serve(head_timeout=SOON) as edge:
        connection = await edge.connect()
        answer = await (await connection.send(beginning)).answer()
        assert (answer.status, answer.code, answer.headers["connection"]) == (408, "request_timeout", "close")
        assert await connection.closed()


async def test_drops_of_a_head_do_not_extend_its_time(serve: Any) -> None:
    async with serve(head_timeout=SOON) as edge:
        connection = await (await edge.connect()).send(b"GET / HTTP/1.1\r\nX: ")
        answering = asyncio.create_task(connection.answer())
        while not answering.done():
            await connection.send(b"X")
            await asyncio.sleep(SOON / 20)
        assert (await answering).status == 408


async def test_who_says_nothing_at_all_is_left_without_a_word(serve: Any) -> None:
    async with serve(head_timeout=SOON) as edge:
        assert await (await edge.connect()).closed()


async def test_a_second_request_has_its_own_time(serve: Any) -> None:
    async with serve(head_timeout=SOON, body_timeout=SOON) as edge:
        connection = await edge.connect()
        for _ in range(4):  # together longer than one of them may take
            await connection.send(edge.head("POST", "/v1/take", "Content-Length: 2"))
            await asyncio.sleep(SOON / 2)
            await connection.send(b"{}")
            assert (await connection.answer()).status == 200
        await connection.send(b"GET")
        assert (await connection.answer()).status == 408


@pytest.mark.parametrize("framing", ["Content-Length: 100", "Transfer-Encoding: chunked"])
async def test_a_body_that_does_not_end_is_answered_408_and_not_carried_out(serve: Any, framing: str) -> None:
    async with serve(body_timeout=SOON) as edge:
        connection = await edge.connect()
        answer = await (await connection.send(edge.head("POST", "/v1/take", framing), b"2\r\n")).answer()
        assert (answer.status, answer.code, answer.headers["connection"]) == (408, "request_timeout", "close")
        assert await connection.closed()
        assert edge.done == []
        assert edge.held() == 0


async def test_an_answer_that_nobody_reads_is_not_kept(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tocsin.runtime.bounded_http.IDLE_SECONDS", SOON)
    async with serve() as edge:
        caller = socket.socket()
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        caller.setblocking(False)
        await asyncio.get_running_loop().sock_connect(caller, ("127.0.0.1", edge.port))
        ask = edge.head("GET", "/v1/things?size=20000000", key=False)
        await asyncio.get_running_loop().sock_sendall(caller, ask)
        await until(lambda: edge.connections() == 1)
        await until(lambda: edge.connections() == 0)
        caller.close()


async def test_a_connection_stays_between_two_requests(serve: Any) -> None:
    async with serve(head_timeout=SOON) as edge:
        connection = await edge.connect()
        for _ in range(2):
            await connection.send(edge.head("GET", "/v1/things", key=False))
            assert (await connection.answer()).status == 200
            await asyncio.sleep(SOON * 1.5)  # the time of a head begins with its first byte


@pytest.mark.parametrize("size", [2, 3_000_000])
async def test_a_connection_without_a_next_request_is_closed(
    serve: Any, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr("tocsin.runtime.bounded_http.IDLE_SECONDS", SOON)
    async with serve() as edge:
        connection = await edge.connect()
        await connection.send(edge.head("GET", f"/v1/things?size={size}", key=False))
        assert (await connection.answer()).status == 200
        assert await connection.closed()


async def test_a_head_that_begins_late_in_an_idle_connection_has_its_own_time(
    serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tocsin.runtime.bounded_http.IDLE_SECONDS", SOON)
    async with serve() as edge:
        connection = await edge.connect()
        head = edge.head("GET", "/v1/things", key=False)
        await connection.send(head)
        assert (await connection.answer()).status == 200
        await connection.send(head[:5])
        await asyncio.sleep(
            SOON + 1.5
        )  # longer than an idle connection stays, and than the pause between two looks
        await connection.send(head[5:])
        assert (await connection.answer()).status == 200


# How many


async def test_one_connection_too_many_closes_the_one_that_has_waited_longest(serve: Any) -> None:
    async with serve(connections=10) as edge:
        idle = [await edge.connect() for _ in range(10)]
        for connection in idle[:5]:  # so the sixth waits longest
            await connection.send(edge.head("GET", "/v1/things", key=False))
            assert (await connection.answer()).status == 200
        assert await edge.still_serves()
        assert await idle[5].closed()
        for connection in (*idle[:5], *idle[6:]):
            await connection.send(edge.head("GET", "/v1/things", key=False))
            assert (await connection.answer()).status == 200


async def test_where_all_connections_are_at_work_a_new_one_is_told_so(serve: Any) -> None:
    async with serve(connections=10) as edge:
        go_on = asyncio.Event()

        @edge.app.get("/v1/slow")
        async def slow() -> int:
            await go_on.wait()
            return 1

        busy = [await edge.connect() for _ in range(10)]
        for connection in busy:
            await connection.send(edge.head("GET", "/v1/slow", key=False))
        await until(lambda: edge.at_work() == 10)
        refused = await edge.connect()
        answer = await (await refused.send(edge.head("GET", "/v1/things", key=False))).answer()
        assert (answer.status, answer.code) == (503, "overloaded")
        assert (answer.headers["connection"], answer.headers["retry-after"]) == ("close", "1")
        assert await refused.closed()
        go_on.set()
        assert [(await connection.answer()).status for connection in busy] == [200] * 10
        assert await edge.still_serves()


async def test_many_that_say_nothing_keep_nobody_out(serve: Any) -> None:
    async with serve(connections=50) as edge:
        silent = [await (await edge.connect()).send(b"GET / HTTP/1.1\r\nX: ") for _ in range(120)]
        assert await edge.still_serves()
        assert edge.connections() <= 51
        assert len(silent) == 120
