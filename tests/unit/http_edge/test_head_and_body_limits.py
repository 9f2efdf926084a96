"""How large a head and a body may be, who may send a body, and what becomes of half of one."""

import time
from typing import Any

import pytest

from tocsin.testing.until import until

MIB = 1024 * 1024


def padded(edge: Any, size: int) -> bytes:
    """A request whose head has exactly so many bytes."""
    least = len(edge.head("GET", "/v1/things", "X: "))
    head: bytes = edge.head("GET", "/v1/things", f"X: {'a' * (size - least)}")
    assert len(head) == size
    return head


@pytest.mark.parametrize("cut", [32 * 1024, 1000, 20_000])
@pytest.mark.parametrize(("size", "status"), [(32 * 1024, 200), (32 * 1024 + 1, 431)])
async def test_a_head_has_32_kib_at_most(edge: Any, size: int, status: int, cut: int) -> None:
    head = padded(edge, size)
    assert (await edge.ask(head[:cut], head[cut:])).status == status


@pytest.mark.parametrize(("fields", "status"), [(100, 200), (101, 431)])
async def test_a_head_has_100_fields_at_most(edge: Any, fields: int, status: int) -> None:
    answer = await edge.ask(edge.head("GET", "/v1/things", *["X: a"] * (fields - 2)))
    assert answer.status == status


@pytest.mark.parametrize(
    "beginning",
    [
        b"GET /v1/things HTTP/1.1\r\nX: ",
        b"GET /v1/things HTTP/1.1\r\n",
        b"GET /",
        b"GET /v1/things?",
        b"POST /v1/take HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;",
    ],
    ids=["one field", "a name", "a path", "a query", "a chunk's extension"],
)
async def test_finding_4_a_header_of_200_mib_is_refused_at_32_kib_and_costs_nothing(
    edge: Any, beginning: bytes
) -> None:
    """It was taken whole once, in 498 s: each fragment copied what was before. The bound is in CPU time of this process, of which the
    caller is a part."""
    began = time.process_time()
    connection = await edge.connect()
    with pytest.raises(ConnectionError):
        await connection.send(beginning, *[b"a" * MIB] * 200)
    assert time.process_time() - began < 2
    assert await edge.still_serves()


async def test_a_refused_head_is_told_so(edge: Any) -> None:
    connection = await edge.connect()
    await connection.send(b"GET / HTTP/1.1\r\nX: " + b"a" * 64 * 1024)
    answer = await connection.answer()
    assert (answer.status, answer.code, answer.headers["connection"]) == (431, "head_too_large", "close")


@pytest.mark.parametrize("cut", [1, 100, 5000, 40_000])
async def test_trailers_have_no_more_room_than_a_head(edge: Any, cut: int) -> None:
    trailers = b"2\r\n{}\r\n0\r\nX: " + b"a" * 70_000
    connection = await edge.connect()
    await connection.send(edge.head("POST", "/v1/take", "Transfer-Encoding: chunked") + trailers[:cut])
    await connection.send(trailers[cut:])
    assert (await connection.answer()).status == 431
    assert edge.done == []


async def test_fifty_small_requests_in_one_packet_are_no_large_head(edge: Any) -> None:
    connection = await edge.connect()
    request = edge.post(b"a" * 600)
    packet = request * 50
    assert len(packet) > 32 * 1024
    await connection.send(packet[:-10], packet[-10:])
    assert [(await connection.answer()).status for _ in range(50)] == [200] * 50


async def test_endlessly_many_requests_at_once_are_not_kept(edge: Any) -> None:
    connection = await edge.connect()
    await connection.send(b"GET /v1/things HTTP/1.1\r\n\r\n" * 5000)
    statuses: list[int] = []
    while not statuses or statuses[-1] == 200:
        statuses.append((await connection.answer()).status)
    assert statuses[-1] == 503
    assert len(statuses) < 200
    assert await connection.closed()


async def test_a_body_of_1_mib_is_taken_whole_or_in_pieces(edge: Any) -> None:
    body = bytes(range(32, 127)) * (MIB // 95)
    assert (await edge.ask(edge.post(body))).status == 200
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:70_000], body[70_000:]))
    head = edge.head("POST", "/v1/take", "Transfer-Encoding: chunked")
    assert (await edge.ask(head, chunks + b"0\r\n\r\n")).status == 200
    assert edge.done == [body, body]


# Who may send one


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer x",
        "Basic dGs6dGs=",
        "Bearer tk_live_unknown_0123456789012345678901234567890123456789",
    ],
)
async def test_finding_6_without_a_key_that_works_a_body_is_not_waited_for(
    edge: Any, authorization: str | None
) -> None:
    fields = [] if authorization is None else [f"Authorization: {authorization}"]
    connection = await edge.connect()
    await connection.send(
        edge.head("POST", "/v1/take", f"Content-Length: {MIB}", *fields, key=False) + b"a" * 70_000
    )
    answer = await connection.answer()
    assert (answer.status, answer.code, answer.headers["connection"]) == (401, "unauthenticated", "close")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", ["/v1/things", "/nowhere"])
async def test_no_path_takes_a_body_from_a_stranger(edge: Any, path: str) -> None:
    assert (await edge.ask(edge.post(b"{}", path=path, key=False))).code == "unauthenticated"


async def test_a_connection_outlives_a_refused_body_that_has_come_whole(edge: Any) -> None:
    connection = await edge.connect()
    await connection.send(edge.post(b"{}", key=False))
    assert (await connection.answer()).status == 401
    await connection.send(edge.post(b"{}"))
    assert (await connection.answer()).status == 200


@pytest.mark.parametrize(("size", "status"), [(0, 200), (26, 200), (4096, 200), (4097, 413)])
async def test_a_public_page_takes_a_small_body_from_anybody(edge: Any, size: int, status: int) -> None:
    assert (await edge.ask(edge.post(b"a" * size, path="/u/token", key=False))).status == status
    chunk = b"%x\r\n%b\r\n" % (size, b"a" * size) if size else b""
    head = edge.head("POST", "/u/token", "Transfer-Encoding: chunked", key=False)
    assert (await edge.ask(head + chunk + b"0\r\n\r\n")).status == status


# How many bytes of them


async def test_a_tenant_fills_a_quarter_of_what_bodies_may_have_and_no_more(serve: Any) -> None:
    async with serve(bodies=4 * MIB) as edge:
        holding = await edge.connect()
        await holding.send(edge.head("POST", "/v1/take", f"Content-Length: {MIB}") + b"a" * (MIB - 1))
        await until(lambda: edge.held() == MIB)
        answer = await edge.ask(edge.post(b"{}"))
        assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "overloaded", "1")
        await holding.send(b"a")
        assert (await holding.answer()).status == 200
        assert (await edge.ask(edge.post(b"{}"))).status == 200
        assert edge.held() == 0


# Half of one


@pytest.mark.parametrize("size", [0, 1, 50, 99])
@pytest.mark.parametrize("half_close", [True, False])
async def test_finding_12_a_body_shorter_than_announced_is_not_carried_out(
    edge: Any, size: int, half_close: bool
) -> None:
    """Content-Length 100, fewer bytes, then the end: the event was accepted and routed once."""
    connection = await edge.connect()
    await connection.send(edge.head("POST", "/v1/take", "Content-Length: 100") + b"a" * size)
    if half_close:
        connection.writer.write_eof()
        assert await connection.closed()
    else:
        connection.writer.transport.abort()
    assert await edge.still_serves()
    assert edge.done == []


async def test_a_body_in_chunks_without_its_last_is_not_carried_out(edge: Any) -> None:
    connection = await edge.connect()
    await connection.send(edge.head("POST", "/v1/take", "Transfer-Encoding: chunked") + b"2\r\n{}\r\n")
    connection.writer.write_eof()
    assert await connection.closed()
    assert edge.done == []
