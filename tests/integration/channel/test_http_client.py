"""What the HTTP client of providers says of requests that got no answer, against real sockets."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tocsin.channel import Ambiguous, NotSent
from tocsin.channel.http import http_client, no_answer, retry_after
from tocsin.contracts.vocabulary import Reason
from tocsin.observability import span

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
SAMPLED = f"00-{'1' * 32}-{'2' * 16}-01"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@asynccontextmanager
async def server(talk: Talk) -> AsyncIterator[str]:
    """The address of a server that holds every connection as `talk` does, then closes it."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        finally:
            writer.transport.abort()

    listening = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    return head + await reader.readexactly(length)


async def outcome(url: str, **options: float) -> NotSent | Ambiguous:
    async with http_client(
        timeout=options.get("timeout", 5), connect_timeout=options.get("connect_timeout", 5), connections=2
    ) as client:
        with pytest.raises(httpx.TransportError) as failed:
            await client.post(url, content=b"x")
        return no_answer(failed.value)


async def test_a_refused_connection_is_not_sent() -> None:
    async with server(lambda _reader, _writer: asyncio.sleep(0)) as url:
        pass
    assert isinstance(await outcome(url), NotSent)


async def test_an_unknown_host_is_not_sent() -> None:
    answer = await outcome("http://tocsin.invalid")
    assert isinstance(answer, NotSent)
    assert answer.reason is Reason.UNREACHABLE


async def test_failed_tls_is_not_sent() -> None:
    async def no_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async with server(no_tls) as url:
        assert isinstance(await outcome(url.replace("http:", "https:")), NotSent)


async def test_no_free_connection_is_not_sent() -> None:
    arrived, done = asyncio.Event(), asyncio.Event()

    async def hold(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        arrived.set()
        await done.wait()

    async with server(hold) as url, http_client(timeout=5, connect_timeout=0.05, connections=1) as client:
        first = asyncio.create_task(client.post(url, content=b"x"))
        await arrived.wait()
        with pytest.raises(httpx.ConnectTimeout) as failed:
            await client.post(url, content=b"y")
        assert isinstance(no_answer(failed.value), NotSent)
        done.set()
        with pytest.raises(httpx.ReadError):
            await first


async def test_a_connection_lost_after_the_request_is_ambiguous() -> None:
    async def lose(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await read_request(reader)

    async with server(lose) as url:
        assert isinstance(await outcome(url), Ambiguous)


async def test_silence_after_the_request_is_ambiguous() -> None:
    done = asyncio.Event()

    async def silence(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        await done.wait()

    async with server(silence) as url:
        assert isinstance(await outcome(url, timeout=0.1), Ambiguous)
        done.set()


async def test_half_an_answer_is_ambiguous() -> None:
    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\nhalf")
        await writer.drain()

    async with server(half) as url:
        assert isinstance(await outcome(url), Ambiguous)


async def test_an_answer_that_is_no_http_is_ambiguous() -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"220 mail.example.org ESMTP\r\n")
        await writer.drain()

    async with server(babble) as url:
        assert isinstance(await outcome(url), Ambiguous)


async def test_the_request_arrives_as_written_and_redirects_are_left_alone() -> None:
    seen: list[bytes] = []

    async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 2\r\n\r\n{}")
        await writer.drain()

    async with server(redirect) as url, http_client(timeout=5, connect_timeout=5, connections=1) as client:
        response = await client.post(f"{url}/a?b=c", data={"To": "+4915112345678"}, auth=("user", "secret"))
    assert (response.status_code, response.json()) == (302, {})
    assert len(seen) == 1
    assert seen[0].startswith(b"POST /a?b=c HTTP/1.1\r\n")
    assert b"\r\nauthorization: Basic dXNlcjpzZWNyZXQ=\r\n" in seen[0]
    assert seen[0].endswith(b"\r\n\r\nTo=%2B4915112345678")


async def test_compressed_answers_are_read() -> None:
    async def compressed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        body = gzip.compress(b'{"sid": "SM1"}')
        writer.write(
            b"HTTP/1.1 201 Created\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b"
            % (len(body), body)
        )
        await writer.drain()

    async with server(compressed) as url, http_client(timeout=5, connect_timeout=5, connections=1) as client:
        assert (await client.post(url, content=b"x")).json() == {"sid": "SM1"}


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), 0.0),
        ("99999999999999999", 3600.0),
        ("-5", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_is_read_as_number_or_date(value: str, seconds: float | None) -> None:
    assert retry_after(httpx.Response(429, headers={"retry-after": value}), now=NOW) == seconds


def test_without_the_header_there_is_no_pause() -> None:
    assert retry_after(httpx.Response(429), now=NOW) is None


@pytest.mark.parametrize(
    ("status", "error"), [("200 OK", None), ("404 Not Found", "404"), ("503 Unavailable", "503")]
)
async def test_a_call_has_a_span_that_tells_nothing_of_its_url(
    status: str, error: str | None, spans: InMemorySpanExporter
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(f"HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
        await writer.drain()

    async with server(talk) as url, http_client(timeout=5, connect_timeout=5, connections=2) as client:
        await client.post(
            f"{url}/Accounts/AC1?to=ann@example.com", content=b"x"
        )  # not below a span: none of its own
        with span("attempt", SAMPLED):
            await client.post(f"{url}/Accounts/AC1?to=ann@example.com", content=b"x")
    call, attempt = spans.get_finished_spans()
    assert (call.name, call.kind.name, call.status.description) == ("POST", "CLIENT", error)
    assert call.parent is not None
    assert call.parent.span_id == attempt.context.span_id
    told = {
        "http.request.method": "POST",
        "http.response.status_code": int(status[:3]),
        "server.address": "127.0.0.1",
        "server.port": int(url.rpartition(":")[2]),
    }
    assert dict(call.attributes or {}) == told | ({"error.type": error} if error else {})


async def test_a_call_without_an_answer_says_which_error(spans: InMemorySpanExporter) -> None:
    async with server(lambda _reader, _writer: asyncio.sleep(0)) as url:
        pass
    with span("attempt", SAMPLED):
        await outcome(url)
    assert spans.get_finished_spans()[0].status.description == "ConnectError"
