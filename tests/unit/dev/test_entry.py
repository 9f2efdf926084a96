"""The entry port: each path to its owner, bytes as they are."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.dev.entry import Entry, owner
from tocsin.dev.processes import free_port

END = b"\r\n\r\n"
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/notifications", "ingest"),
        ("/v1/events", "ingest"),
        ("/v1/timelines/0190", "ledger"),
        ("/v1/timelines", "ledger"),
        ("/v1/recipients/anna/preferences", "router"),
        ("/v1/recipients/a%2Fb", "router"),
        ("/v1/notifications-of-mine", "router"),
        ("/v1/notifications%2Fmine", "router"),
        ("/%76%31/timelines/", "ledger"),
        ("/u/token", "router"),
        ("/u//", "router"),
        ("/callbacks/twilio", None),
        ("/email/callbacks/catcher/mail", "dispatch-email-callbacks"),
        ("/sms/callbacks/catcher", "dispatch-sms-callbacks"),
        ("/push/callbacks/catcher", None),
        ("/email/metrics", None),
        ("/metrics", None),
        ("/v1/../metrics", None),
        ("/v1/%2e%2e/metrics", None),
        ("/v1/.%2E/metrics", None),
        ("/v1/./events", None),
        ("/v1/..", None),
        ("/v1/...", "router"),
        ("/upload", None),
        ("//v1/events", None),
        ("", None),
    ],
)
def test_owner(path: str, name: str | None) -> None:
    assert owner(path) == name


class Recorder:
    """A service that keeps each request's bytes, and answers with bytes it was given."""

    def __init__(self, answer: bytes = GOOD) -> None:
        self.answer = answer
        self.requests: list[bytes] = []
        self.port = 0
        self.answer_to: Callable[..., Awaitable[None]] = self.record

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Whatever the test says; unless it says otherwise, `record`."""
        await self.answer_to(reader, writer)

    async def record(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request of a connection, whole: by its length, or by its last chunk."""
        got = await reader.readuntil(END)
        if b"100-continue" in got:
            writer.write(b"HTTP/1.1 100 Continue\r\nX-Early: 1\r\n\r\n")
        lowered = got.lower()
        if b"transfer-encoding: chunked" in lowered:
            while not got.endswith(b"\r\n0\r\n\r\n") and not got.endswith(END + b"0\r\n\r\n"):
                got += await reader.readexactly(1)
        elif b"content-length: " in lowered:
            got += await reader.readexactly(
                int(lowered.partition(b"content-length: ")[2].partition(b"\r\n")[0])
            )
        self.requests.append(got)
        writer.write(self.answer)
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def behind_the_entry(answer: bytes = GOOD) -> AsyncIterator[tuple[Recorder, int]]:
    """The recorder, and the port of an entry before it."""
    recorder = Recorder(answer)
    server = await asyncio.start_server(recorder.serve, "127.0.0.1", 0, limit=2**20)
    recorder.port = server.sockets[0].getsockname()[1]
    port = free_port()
    url = f"http://127.0.0.1:{recorder.port}"
    entry = Entry(
        port=port, services={"router": url, "ingest": url, "ledger": f"http://127.0.0.1:{free_port()}"}
    )
    await entry.open()
    yield recorder, port
    await entry.close()
    server.close()


@pytest.mark.parametrize(
    "target", [b"/email/callbacks/a/mail?ref=%20x", b"http://here:1/email/callbacks/a/mail?ref=%20x"]
)
async def test_callbacks_lose_the_first_word_of_their_path(target: bytes) -> None:
    recorder = Recorder()
    server = await asyncio.start_server(recorder.serve, "127.0.0.1", 0)
    port = free_port()
    service = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    entry = Entry(port=port, services={"dispatch-email-callbacks": service})
    await entry.open()
    request = b"POST %b HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok" % target
    await exchange(port, request)
    await entry.close()
    server.close()
    (got,) = recorder.requests
    assert got.startswith(b"POST /callbacks/a/mail?ref=%20x HTTP/1.1\r\nHost: here\r\n")


async def exchange(port: int, request: bytes, *, until: Callable[[bytes], bool] | None = None) -> bytes:
    """All bytes of the answer: up to the connection's end, or until `until` holds."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    got = b""
    async with asyncio.timeout(20):
        while not (until and until(got)) and (piece := await reader.read(2**16)):
            got += piece
    writer.close()
    await writer.wait_closed()
    return got


def without_connection(message: bytes) -> bytes:
    """The message without what is for one connection only."""
    return message.replace(b"Connection: close\r\n", b"")


async def compare(request: bytes, answer: bytes = GOOD) -> tuple[bytes, bytes]:
    """The same bytes through the entry and past it: what the service got must be equal. Returns both answers."""
    async with behind_the_entry(answer) as (recorder, port):
        through = await exchange(port, request)
        past = await exchange(recorder.port, request)
        first, second = recorder.requests
        assert without_connection(first) == without_connection(second)
        return through, past


CLOSE = b"Host: x\r\nConnection: close\r\n"


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /v1/recipients/a%2Fb?x=%20&y=a+b&y=%00 HTTP/1.1\r\n" + CLOSE + b"\r\n",
        b"GET /v1/recipients//a/.b/c..d/%zz;p=1?? HTTP/1.1\r\n" + CLOSE + b"\r\n",
        b"GET /v1/recipients/\xc3\xab HTTP/1.1\r\n" + CLOSE + b"\r\n",
        b"GET http://shop.example/v1/tenant?x=1 HTTP/1.1\r\n" + CLOSE + b"\r\n",
        b"BREW /u/x HTTP/1.1\r\n" + CLOSE + b"\r\n",
        b"DELETE /v1/x HTTP/1.1\r\n" + CLOSE + b"Content-Length: 0\r\n\r\n",
        b"POST /v1/events HTTP/1.1\r\n" + CLOSE + b"Content-Length: 2\r\n\r\n{}",  # no type is added
        b"POST /v1/events HTTP/1.1\r\n" + CLOSE + b"content-encoding: gzip\r\ncontent-length: 4\r\n\r\n\x1f\x8b\x08\x00",
        b"POST /v1/events HTTP/1.1\r\n" + CLOSE + b"Content-Encoding: br\r\nContent-Length: 3\r\n\r\n\x00\r\n",
        b"GET /v1/x HTTP/1.1\r\n" + CLOSE + b"X-B: 2\r\nx-a: 1\r\nX-B:3\r\nX-a:\t4 \r\nCookie: a=1; b\r\nX-Empty:\r\n\r\n",
        b"GET /v1/x HTTP/1.1\r\n" + CLOSE + b"X-Latin: \xe4\xff\r\nAccept-Encoding: gzip\r\nUser-Agent: \r\n\r\n",
        b"GET /v1/x HTTP/1.1\r\n" + CLOSE + b"X-Long: " + b"a" * 100_000 + b"\r\n\r\n",
        b"PUT /v1/x HTTP/1.1\r\n" + CLOSE + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;ext=1\r\n!\r\n0\r\n\r\n",
        b"PUT /v1/x HTTP/1.1\r\n" + CLOSE + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"PUT /v1/x HTTP/1.1\r\n" + CLOSE + b"Content-Length: 3000000\r\n\r\n" + b"\x00\xff\n" * 1_000_000,
        b"PUT /v1/x HTTP/1.1\r\n" + CLOSE + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
    ],
    ids=lambda request: request[:60].decode("latin-1"),
)  # fmt: skip
async def test_a_request_arrives_as_it_was_sent(request_bytes: bytes) -> None:
    through, past = await compare(request_bytes)
    assert without_connection(through) == without_connection(past)


@pytest.mark.parametrize(
    "answer",
    [
        b'HTTP/1.1 207 Multi-Status\r\nETag: "7"\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\nContent-Length: 1\r\n\r\nx',
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\ncontent-length: 4\r\n\r\n\x1f\x8b\x08\x00",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 299 Odd  words\r\nX-Latin: \xe4\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 200 \r\n\r\nuntil the end of the connection",
        b"HTTP/1.1 200 OK\r\nContent-Length: 8000000\r\n\r\n" + b"8 bytes\n" * 1_000_000,
    ],
    ids=lambda answer: answer[:50].decode("latin-1"),
)  # fmt: skip
async def test_an_answer_arrives_as_it_was_sent(answer: bytes) -> None:
    through, past = await compare(b"GET /v1/x HTTP/1.1\r\n" + CLOSE + b"\r\n", answer)
    assert past == answer
    assert without_connection(through) == without_connection(past)


async def test_an_answer_to_head_announces_a_body_and_has_none() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n"
    through, _ = await compare(b"HEAD /v1/x HTTP/1.1\r\n" + CLOSE + b"\r\n", answer)
    assert without_connection(through) == answer


async def test_trailers_and_what_is_for_one_connection_end_at_the_entry() -> None:
    answer = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n1\r\nx\r\n0\r\nX-T: 1\r\n\r\n"
    )
    request = (
        b"PUT /v1/x HTTP/1.1\r\nHost: x\r\nConnection: X-Mine, close\r\nX-Mine: 1\r\nX-Yours: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\n"
        b"Trailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-T: 1\r\n\r\n"
    )  # fmt: skip
    async with behind_the_entry(answer) as (recorder, port):
        got = await exchange(port, request)
    assert recorder.requests == [
        b"PUT /v1/x HTTP/1.1\r\nHost: x\r\nX-Yours: 1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n1\r\nx\r\n0\r\n\r\n"
    ]
    assert (
        without_connection(got) == b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
    )


async def test_a_connection_serves_request_after_request() -> None:
    one = b"POST /v1/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n"
    async with behind_the_entry() as (recorder, port):
        got = await exchange(port, one + b"a" + one + b"b", until=lambda got: got.count(b"ok") == 2)
        assert [request[-1:] for request in recorder.requests] == [b"a", b"b"]
        assert got == GOOD * 2


async def test_the_answer_s_first_piece_does_not_wait_for_its_last() -> None:
    more = asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(END)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        await more.wait()
        writer.write(b"1\r\nb\r\n0\r\n\r\n")
        writer.close()

    async with behind_the_entry() as (recorder, port):
        recorder.answer_to = slow
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /v1/x HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.readuntil(b"a\r\n")).endswith(b"1\r\na\r\n")
        more.set()
        assert await reader.readuntil(b"0\r\n\r\n") == b"1\r\nb\r\n0\r\n\r\n"
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /nowhere HTTP/1.1\r\n" + CLOSE + b"\r\n", 404),
        (b"HEAD /nowhere HTTP/1.1\r\n" + CLOSE + b"\r\n", 404),
        (b"POST /nowhere HTTP/1.1\r\n" + CLOSE + b"Content-Length: 2\r\n\r\n{}", 404),
        (b"GET /v1/timelines/x HTTP/1.1\r\n" + CLOSE + b"\r\n", 502),
        (b"GET /v1/x\r\n" + CLOSE + b"\r\n", 400),
        (b"nonsense\r\n\r\n", 400),
        (b"POST /v1/x HTTP/1.1\r\n" + CLOSE + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx", 400),
        (b"POST /v1/x HTTP/1.1\r\n" + CLOSE + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nxx", 400),
        (b"POST /v1/x HTTP/1.1\r\n" + CLOSE + b"Transfer-Encoding: chunked, gzip\r\n\r\nxx", 400),
        (b"POST /v1/x HTTP/1.1\r\n" + CLOSE + b"Content-Length: -1\r\n\r\nxx", 400),
        (b"GET /v1/x HTTP/1.1\r\nX: " + b"a" * 300_000 + END, 400),
    ],
    ids=lambda value: value[:40].decode() if isinstance(value, bytes) else None,
)  # fmt: skip
async def test_what_cannot_be_passed_on_is_a_problem(request_bytes: bytes, status: int) -> None:
    async with behind_the_entry() as (recorder, port):
        head, _, body = (await exchange(port, request_bytes)).partition(END)
    assert head.split(b" ")[1] == str(status).encode()
    assert b"Content-Type: application/problem+json" in head
    if not request_bytes.startswith(b"HEAD"):
        assert json.loads(body)["status"] == status
    assert recorder.requests == []


REFUSAL = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 8\r\n\r\ntoo long"


@pytest.mark.parametrize("read", [0, 50_000])
@pytest.mark.parametrize("size", [100_000, 3_000_000, 20_000_000])
async def test_a_service_that_refuses_a_body_midway_and_closes_is_heard(size: int, read: int) -> None:
    """It closes on bytes that it has not read, so the entry's writes to it fail."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(END)
        if read:
            await reader.readexactly(read)
        writer.write(REFUSAL)
        await writer.drain()
        writer.close()

    async with behind_the_entry() as (recorder, port):
        recorder.answer_to = refuse
        request = b"POST /v1/x HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size
        got = await exchange(port, request + b"a" * size, until=lambda got: got.endswith(b"too long"))
    assert got == REFUSAL


async def test_a_body_that_nobody_reads_holds_an_answered_connection_only_for_a_moment() -> None:
    answered = asyncio.Event()

    async def ignore(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(END)
        writer.write(REFUSAL)
        await writer.drain()
        await answered.wait()
        writer.close()

    async with behind_the_entry() as (recorder, port):
        recorder.answer_to = ignore
        request = b"POST /v1/x HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % 20_000_000
        got = await exchange(port, request + b"a" * 20_000_000)
        answered.set()
    assert got == REFUSAL


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    ],
)
async def test_a_service_that_ends_without_an_answer_does_not_answer(answer: bytes) -> None:
    async with behind_the_entry(answer) as (_, port):
        got = await exchange(port, b"GET /v1/x HTTP/1.1\r\n" + CLOSE + b"\r\n")
    assert got.startswith(b"HTTP/1.1 502 ")
    assert b"router does not answer" in got


NAMES = st.from_regex(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}", fullmatch=True)
VALUES = st.binary(max_size=40).map(
    lambda raw: bytes(byte for byte in raw if byte == 9 or (byte >= 32 and byte != 127)).strip()
)
RESERVED = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade", "transfer-encoding", "content-length", "expect", "host"}  # fmt: skip
FIELDS = st.lists(st.tuples(NAMES.filter(lambda name: name.lower() not in RESERVED), VALUES), max_size=8)
TARGETS = (
    st.binary(max_size=60)
    .map(lambda raw: b"/v1/" + bytes(byte for byte in raw if byte > 32 and byte not in (127, 35)))
    .filter(lambda target: owner(target.partition(b"?")[0].decode("latin-1")) is not None)
)
"""Paths with `.` or `..` in them are nobody's."""


@settings(max_examples=60)
@given(target=TARGETS, fields=FIELDS, body=st.binary(max_size=300), chunks=st.integers(0, 3))
def test_whatever_is_sent_arrives(
    target: bytes, fields: list[tuple[str, bytes]], body: bytes, chunks: int
) -> None:
    """Any target, header fields and body, of known length or in chunks."""
    head = b"POST " + target + b" HTTP/1.1\r\n" + CLOSE
    head += b"".join(name.encode() + b": " + value + b"\r\n" for name, value in fields)
    if chunks:
        parts = [body[number::chunks] for number in range(chunks)]
        framed = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts if part) + b"0\r\n\r\n"
        head += b"Transfer-Encoding: chunked\r\n\r\n"
    else:
        framed, head = body, head + b"Content-Length: %d\r\n\r\n" % len(body)

    async def run() -> None:
        async with behind_the_entry() as (recorder, port):
            await exchange(port, head + framed)
            assert [without_connection(request) for request in recorder.requests] == [
                without_connection(head + framed)
            ]

    asyncio.run(run())


@pytest.mark.parametrize("target", ["/v1/../metrics", "/v1/%2e%2e/metrics", "/v1/events/../../metrics"])
async def test_finding_14_no_path_leads_past_the_apis(target: str) -> None:
    """The owner was chosen by the path as sent, and the service was asked for the path as resolved: 200, with all metrics."""
    async with behind_the_entry() as (recorder, port):
        got = await exchange(port, f"GET {target} HTTP/1.1\r\n".encode() + CLOSE + b"\r\n")
    assert got.startswith(b"HTTP/1.1 404 ")
    assert recorder.requests == []


async def test_finding_14_a_plain_body_that_says_gzip_is_passed_on_as_it_is() -> None:
    """It was 500 at the entry."""
    request = (
        b"POST /v1/events HTTP/1.1\r\n" + CLOSE + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"
    )
    async with behind_the_entry() as (recorder, port):
        assert (await exchange(port, request)).endswith(b"ok")
    assert [without_connection(sent) for sent in recorder.requests] == [without_connection(request)]


@pytest.mark.parametrize(
    ("path", "upgraded"), [(b"/v1/inbox/socket?ticket=a", True), (b"/v1/inbox/events?ticket=a", False)]
)
async def test_bytes_go_both_ways_where_a_socket_was_asked_for(path: bytes, *, upgraded: bool) -> None:
    recorder = Recorder()

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got = await reader.readuntil(END)
        assert (b"\r\nUpgrade: websocket\r\n" in got) is upgraded
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n" if upgraded else GOOD)
        while upgraded and (piece := await reader.read(100)):
            writer.write(piece)
        writer.close()

    recorder.answer_to = echo
    server = await asyncio.start_server(recorder.serve, "127.0.0.1", 0)
    port = free_port()
    service = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    entry = Entry(port=port, services={"dispatch-inapp": service})
    await entry.open()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET %b HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n" % path)
    head = await reader.readuntil(END)
    assert head.startswith(b"HTTP/1.1 101 " if upgraded else b"HTTP/1.1 200 ")
    if upgraded:
        for word in (b"\x81\x00", b"\x89\x04ping"):
            writer.write(word)
            assert await reader.readexactly(len(word)) == word
    writer.close()
    await writer.wait_closed()
    await entry.close()
    server.close()
