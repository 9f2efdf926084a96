"""What stands on a connection byte by byte: forms that two servers could read differently are refused, all others stay right."""

from typing import Any

import pytest

SMUGGLED = b"POST /u/smuggled HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\n\r\nx"
CHUNKED = "Transfer-Encoding: chunked"


def raw(edge: Any, *lines: str, body: bytes = b"") -> bytes:
    """A POST with exactly these header lines, of which one may be no header at all."""
    head: bytes = edge.head("POST", "/v1/take", *lines)
    return head + body


REFUSED: dict[str, tuple[list[str], bytes]] = {
    "a length and chunks": (["Content-Length: 6", CHUNKED], b"0\r\n\r\nX"),
    "two lengths": (["Content-Length: 6", "Content-Length: 5"], b"abcdef"),
    "twice the same length": (["Content-Length: 5", "Content-Length: 5"], b"abcde"),
    "a list of lengths": (["Content-Length: 5, 5"], b"abcde"),
    "a negative length": (["Content-Length: -5"], b"abcde"),
    "a length with a plus": (["Content-Length: +5"], b"abcde"),
    "a length with a space in it": (["Content-Length: 5 5"], b"abcde"),
    "a length in hexadecimal": (["Content-Length: 0x5"], b"abcde"),
    "a space before the colon": (["Content-Length : 5"], b"abcde"),
    "a space before the name": ([" Content-Length: 5"], b"abcde"),
    "a folded field": (["X: a\r\n b", "Content-Length: 5"], b"abcde"),
    "a folded length": (["Content-Length:\r\n 5"], b"abcde"),
    "a line feed alone": (["X: y\nContent-Length: 5"], b"abcde"),
    "a carriage return alone": (["X: y\rContent-Length: 5"], b"abcde"),
    "a zero byte in a value": (["X: a\0b"], b""),
    "a zero byte in a name": (["X\0: a"], b""),
    "no chunks but a coding": (["Transfer-Encoding: gzip"], b"abc"),
    "chunks that are not last": (["Transfer-Encoding: chunked, gzip"], b"5\r\nabcde\r\n0\r\n\r\n"),
    "a word like chunked": (["Transfer-Encoding: xchunked"], b"5\r\nabcde\r\n0\r\n\r\n"),
    "chunked behind a control character": (["Transfer-Encoding: \x0bchunked"], b"5\r\nabcde\r\n0\r\n\r\n"),
    "two codings": ([CHUNKED, "Transfer-Encoding: identity"], b"5\r\nabcde\r\n0\r\n\r\n"),
    "a chunk size with 0x": ([CHUNKED], b"0x5\r\nabcde\r\n0\r\n\r\n"),
    "a negative chunk": ([CHUNKED], b"-5\r\nabcde\r\n0\r\n\r\n"),
    "a chunk size with a space": ([CHUNKED], b"5 \r\nabcde\r\n0\r\n\r\n"),
    "a chunk size before a line feed alone": ([CHUNKED], b"5\nabcde\r\n0\r\n\r\n"),
    "a chunk longer than it says": ([CHUNKED], b"5\r\nabcdefg\r\n0\r\n\r\n"),
    "a chunk size beyond 64 bits": ([CHUNKED], b"10000000000000005\r\nabcde\r\n0\r\n\r\n"),
    "an extension with a line feed": ([CHUNKED], b"5;a\nb\r\nabcde\r\n0\r\n\r\n"),
}


@pytest.mark.parametrize("form", REFUSED)
async def test_a_form_that_could_smuggle_a_request_is_refused_and_the_connection_closed(
    edge: Any, form: str
) -> None:
    lines, body = REFUSED[form]
    connection = await edge.connect()
    await connection.send(raw(edge, *lines, body=body) + SMUGGLED)
    answer = await connection.answer()
    assert (answer.status, answer.code, answer.headers["connection"]) == (400, "bad_request", "close")
    assert await connection.closed()
    assert edge.done == []


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/3.7\r\n\r\n",
        b"FOO /v1/things HTTP/1.1\r\nHost: t\r\n\r\n",
        b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n",
        b"GET http://t HTTP/1.1\r\nHost: t\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: t\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
async def test_what_is_no_request_is_a_problem_with_a_request_id(edge: Any, request_bytes: bytes) -> None:
    answer = await edge.ask(request_bytes)
    assert (answer.status, answer.code) == (400, "bad_request")
    assert "server" not in answer.headers


async def test_no_answer_names_the_server_or_lets_other_origins_in(edge: Any) -> None:
    origin = ["Origin: https://evil.example", "Access-Control-Request-Method: POST"]
    for method in ("GET", "OPTIONS"):
        answer = await edge.ask(edge.head(method, "/v1/things", *origin, key=False))
        assert "server" not in answer.headers
        assert not any(name.startswith("access-control") for name in answer.headers)


async def test_a_body_packed_by_a_transfer_coding_is_refused(edge: Any) -> None:
    packed = raw(edge, "Transfer-Encoding: gzip, chunked", body=b"5\r\nabcde\r\n0\r\n\r\n")
    answer = await edge.ask(packed)
    assert (answer.status, answer.code) == (415, "unsupported_content_coding")
    assert edge.done == []


async def test_a_body_in_chunks_is_taken_and_its_trailers_are_nothing(edge: Any) -> None:
    chunks = b"3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nX-Late: 1\r\nAuthorization: Bearer other\r\n\r\n"
    connection = await edge.connect()
    await connection.send(raw(edge, CHUNKED, "Trailer: X-Late", body=chunks))
    answer = await connection.answer()
    assert answer.status == 200
    assert b"x-late" not in answer.body
    assert edge.done == [b"abcde"]
    await connection.send(edge.post(b"next"))
    assert (await connection.answer()).status == 200


async def test_trailers_cannot_say_who_calls(edge: Any) -> None:
    chunks = f"2\r\n{{}}\r\n0\r\nAuthorization: Bearer {edge.key}\r\n\r\n".encode()
    answer = await edge.ask(edge.head("POST", "/v1/take", CHUNKED, key=False) + chunks)
    assert (answer.status, answer.code) == (401, "unauthenticated")


async def test_a_caller_that_waits_for_leave_gets_it_when_it_has_a_key(edge: Any) -> None:
    connection = await edge.connect()
    await connection.send(edge.head("POST", "/v1/take", "Expect: 100-continue", "Content-Length: 5"))
    assert await connection.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert (await (await connection.send(b"abcde")).answer()).status == 200
    assert edge.done == [b"abcde"]


async def test_a_caller_that_waits_for_leave_is_refused_at_once_without_one(edge: Any) -> None:
    connection = await edge.connect()
    head = edge.head("POST", "/v1/take", "Expect: 100-continue", "Content-Length: 5", key=False)
    answer = await (await connection.send(head)).answer()
    assert (answer.status, "informational" in answer.headers) == (401, False)
    assert await connection.closed()


@pytest.mark.parametrize("upgrade", ["h2c", "websocket", "tls/1.0"])
@pytest.mark.parametrize("cut", [None, 60, -3])
async def test_a_wish_for_another_protocol_is_ignored_and_the_body_is_not_lost(
    edge: Any, upgrade: str, cut: int | None
) -> None:
    wish = ["Connection: Upgrade, HTTP2-Settings", f"Upgrade: {upgrade}", "HTTP2-Settings: AAMAAABkAAQAAP__"]
    connection = await edge.connect()
    request = edge.post(b"abcde", *wish)
    pieces = [request] if cut is None else [request[:cut], request[cut:]]
    await connection.send(*pieces)
    assert (await connection.answer()).status == 200
    await connection.send(edge.post(b"next", *wish))
    assert (await connection.answer()).status == 200
    assert edge.done == [b"abcde", b"next"]


async def test_requests_sent_together_are_answered_in_their_order(edge: Any) -> None:
    connection = await edge.connect()
    await connection.send(b"".join(edge.post(b"%d" % number * 10) for number in range(10)))
    assert [(await connection.answer()).status for _ in range(10)] == [200] * 10
    assert edge.done == [b"%d" % number * 10 for number in range(10)]


async def test_what_is_wrong_behind_good_requests_is_answered_after_them(edge: Any) -> None:
    connection = await edge.connect()
    await connection.send(edge.post(b"a") + edge.post(b"b") + b"nonsense\r\n\r\n" + edge.post(b"c"))
    assert [(await connection.answer()).status for _ in range(3)] == [200, 200, 400]
    assert await connection.closed()
    assert edge.done == [b"a", b"b"]


async def test_requests_that_come_byte_by_byte_are_right(edge: Any) -> None:
    connection = await edge.connect()
    request = edge.post(b"abcde")
    await connection.send(*[request[place : place + 1] for place in range(len(request))] * 2)
    assert [(await connection.answer()).status for _ in range(2)] == [200, 200]
    assert edge.done == [b"abcde", b"abcde"]


async def test_old_callers_are_answered_and_left(edge: Any) -> None:
    connection = await edge.connect()
    await connection.send(b"GET /v1/things HTTP/1.0\r\n\r\n")
    assert (await connection.answer()).status == 200
    assert await connection.closed()
