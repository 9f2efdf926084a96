"""The client for URLs of tenants: nothing hostile gets a connection, whatever the URL looks like.

The loop's own `sock_connect` is watched, so that a test sees every attempt to connect, and none leaves this machine.
"""

import asyncio
import gzip
import socket
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx
import pytest

from sinks.certificate import make_certificate
from tocsin.channel.guarded_http import TargetForbidden, _Gate, guarded_client
from tocsin.channel.http import no_answer
from tocsin.runtime.outgoing import AllowedTargets

PUBLIC = "93.184.215.14"
PORT = 8443
"""Open to every public address in these tests, so that only addresses can keep a request back."""

LITERALS = (
    "127.0.0.1", "127.0.0.1.", "127.1", "127.0.1", "2130706433", "017700000001", "0177.0.0.1", "0x7f000001", "0x7f.0.0.1",
    "0x7f.1", "127.255.255.254", "0", "0.0.0.0", "0x0", "10.0.0.1", "012.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.0.1",
    "169.254.169.254", "2852039166", "0xa9fea9fe", "100.64.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.1", "198.18.0.1",
    "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    "[::1]", "[0:0:0:0:0:0:0:1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:127.0.0.1]",
    "[::ffff:169.254.169.254]", "[::127.0.0.1]", "[64:ff9b::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[2002:a00:1::1]", "[2001:0:4136:e378:8000:63bf:3fff:fdd2]", "[fe80::1]",
    "[fc00::1]", "[fd00:ec2::254]", "[fec0::1]", "[ff02::1]", "[ff0e::1]", "[2001:db8::1]", "[100::1]",
    "127.0.0.1..", "00000177.0.0.1", "0x7F.0X0.0.0x1", "127.0x0.0.01", "4294967295", "[2002:a9fe:a9fe::1]", "[::ffff:0:127.0.0.1]",
    "[64:ff9b::10.0.0.1]", "[3fff::1]", "[5f00::1]", "[fe80::1%25lo]", "[::1%25lo]", "[::ffff:127.0.0.1%25lo]", "[0::0.0.0.1]",
)  # fmt: skip
SPELLED = (
    "https://localhost:{port}/",
    "https://LOCALHOST.:{port}/",
    "https://①②⑦.⓪.⓪.①:{port}/",
    "https://127。0。0。1:{port}/",
    "https://\uff11\uff12\uff17.0.0.1:{port}/",
    "https://127｡0｡0｡1:{port}/",
    "https://ⓛocalhost:{port}/",
    "https://local\u00adhost:{port}/",
    "https://127.0.0.1%2epublic.test@localhost:{port}/",
    "https://public.test@127.0.0.1:{port}/",
    "https://public.test:443@127.0.0.1:{port}/",
    "https://127.0.0.1:{port}#@public.test/",
    "https://127.0.0.1:{port}\\@public.test/",
    "https://public.test%2f@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}/",
    "http://public.test:{port}/",
    "https://public.test:22/",
    "https://public.test:6379/",
    "gopher://127.0.0.1:{port}/",
    "file:///etc/passwd",
)
NAMES = {
    "private.test": ["10.1.2.3"],
    "localhost": ["127.0.0.1", "::1"],
    "localhost.": ["127.0.0.1"],
    "loopback.test": ["127.0.0.1"],
    "six.test": ["::1"],
    "mapped.test": ["::ffff:127.0.0.1"],
    "nat64.test": ["64:ff9b::7f00:1"],
    "sixtofour.test": ["2002:7f00:1::1"],
    "metadata.test": ["169.254.169.254"],
    "several.test": ["127.0.0.1", "::1", "10.0.0.1"],
    "public.test": [PUBLIC],
    "mixed.test": ["127.0.0.1", PUBLIC],
    "good.test": ["127.0.0.2"],
}
HOSTILE = (
    *(f"https://{literal}:{{port}}/" for literal in LITERALS),
    *SPELLED,
    *(
        f"https://{name}:{{port}}/"
        for name in NAMES
        if name not in {"public.test", "mixed.test", "good.test"}
    ),
)


class Attempts(list[str]):
    """The hosts that somebody tried to connect to."""


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> Attempts:
    """What was tried, and names that resolve as `NAMES` says. A connection that would leave this machine is refused."""
    tried = Attempts()
    look_up = socket.getaddrinfo

    def resolve(host: str, port: int, family: int = 0, *rest: Any) -> list[Any]:
        if host not in NAMES:
            return look_up(host, port, family, *rest)
        return [info for address in NAMES[host] for info in look_up(address, port, 0, socket.SOCK_STREAM)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    connect = asyncio.SelectorEventLoop.sock_connect

    async def watched(loop: asyncio.SelectorEventLoop, sock: socket.socket, address: Any) -> None:
        tried.append(address[0])
        if not str(address[0]).startswith("127."):
            raise ConnectionRefusedError(111, "not from a test")
        await connect(loop, sock, address)

    monkeypatch.setattr(asyncio.SelectorEventLoop, "sock_connect", watched)
    return tried


class Canary:
    """A server of plain HTTP on a loopback address; it answers and counts what reaches it."""

    def __init__(self, head: str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", body: bytes = b"ok") -> None:
        self.reached = 0
        self._answer = f"{head}\r\n".encode() + body

    @asynccontextmanager
    async def listening(
        self, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
    ) -> AsyncIterator[int]:
        server = await asyncio.start_server(self._talk, host, 0, ssl=tls)
        async with server:
            yield server.sockets[0].getsockname()[1]

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reached += 1
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(self._answer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def client(*allow: str, **options: Any) -> httpx.AsyncClient:
    return guarded_client(
        timeout=20, connect_timeout=10, connections=4, allowed=AllowedTargets(allow), **options
    )


def test_there_are_sixty_of_them() -> None:
    assert len(set(HOSTILE)) >= 60


@pytest.mark.parametrize("url", HOSTILE)
async def test_a_hostile_url_gets_no_connection(url: str, attempts: Attempts) -> None:
    canary = Canary()
    async with canary.listening() as port, client(f":{port}") as guarded:
        with pytest.raises((TargetForbidden, httpx.InvalidURL, httpx.UnsupportedProtocol)):
            await guarded.post(url.format(port=port), content=b"{}")
    assert attempts == []
    assert canary.reached == 0


async def test_a_public_address_is_called(attempts: Attempts) -> None:
    async with client(f":{PORT}") as guarded:
        for url in (
            "https://public.test/",
            f"https://public.test:{PORT}/",
            f"https://{PUBLIC}/",
            "https://[2606:4700::1111]/",
        ):
            with pytest.raises(httpx.ConnectError) as refused:
                await guarded.post(url, content=b"{}")
            assert not isinstance(refused.value, TargetForbidden)
    assert attempts == [PUBLIC, PUBLIC, PUBLIC, "2606:4700::1111"]


async def test_a_public_address_may_stand_in_nat64(attempts: Attempts) -> None:
    async with client() as guarded:
        with pytest.raises(httpx.ConnectError):
            await guarded.post("https://[64:ff9b::93.184.215.14]/", content=b"{}")
    assert len(attempts) == 1


async def test_a_name_that_resolves_otherwise_each_time_leads_nowhere_else(
    attempts: Attempts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at a name and the connection nothing is looked up again: each look-up is judged, and what it found is called."""
    canary, look_up = Canary(), socket.getaddrinfo
    answers = cycle([[PUBLIC], ["127.0.0.1"], ["127.0.0.1", PUBLIC], ["::ffff:127.0.0.1"]])

    def rebound(host: str, port: int, *rest: Any) -> list[Any]:
        monkeypatch.setitem(NAMES, "rebound.test", next(answers))
        return look_up(host, port, *rest)

    monkeypatch.setattr(socket, "getaddrinfo", rebound)
    forbidden = 0
    async with canary.listening() as port:
        for _ in range(12):
            async with client(f":{port}") as guarded:  # without what the former one remembers of the name
                with pytest.raises(httpx.ConnectError) as refused:
                    await guarded.post(f"https://rebound.test:{port}/", content=b"{}")
                forbidden += isinstance(refused.value, TargetForbidden)
    assert canary.reached == 0
    assert set(attempts) == {PUBLIC}
    assert forbidden == 6


def test_an_address_that_nobody_looked_at_has_no_socket() -> None:
    """The last line: whatever a resolver or a connector does, the socket is made for an address that may be called, or not at all."""
    gate = _Gate(AllowedTargets(), tls=True)
    for family, address in (
        (socket.AF_INET, ("127.0.0.1", 443)),
        (socket.AF_INET6, ("::1", 443, 0, 0)),
        (socket.AF_INET6, ("::ffff:10.0.0.1", 443, 0, 0)),
    ):
        with pytest.raises(OSError, match="may not be called"):
            gate((family, socket.SOCK_STREAM, 0, "", address))


@pytest.mark.parametrize("turned", [False, True])
async def test_of_several_addresses_only_those_that_may_be_called_are(
    turned: bool, attempts: Attempts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where these do not answer, the name is no forbidden one: it may answer the next time."""
    addresses = NAMES["mixed.test"]
    monkeypatch.setitem(NAMES, "mixed.test", addresses[::-1] if turned else addresses)
    async with client() as guarded:
        with pytest.raises(httpx.ConnectError) as refused:
            await guarded.post("https://mixed.test/", content=b"{}")
    assert not isinstance(refused.value, TargetForbidden)
    assert set(attempts) == {PUBLIC}


async def test_a_proxy_of_the_environment_is_not_asked(
    attempts: Attempts, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = Canary()
    async with proxy.listening() as port, client(f"127.0.0.1:{port + 1}") as guarded:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
        with pytest.raises(httpx.ConnectError):
            await guarded.post(f"http://loopback.test:{port + 1}/", content=b"{}")
    assert proxy.reached == 0
    assert attempts == ["127.0.0.1"]


@pytest.mark.parametrize("entry", ["loopback.test:{port}", "127.0.0.1:{port}", "127.0.0.0/8:{port}"])
async def test_what_the_operator_allows_is_called(entry: str, attempts: Attempts) -> None:
    canary = Canary()
    async with canary.listening() as port, client(entry.format(port=port)) as guarded:
        answer = await guarded.post(f"http://loopback.test:{port}/hook", content=b"{}")
        assert (answer.status_code, answer.content) == (200, b"ok")
        with pytest.raises(TargetForbidden):
            await guarded.post(f"http://private.test:{port}/", content=b"{}")
        with pytest.raises(TargetForbidden):
            await guarded.post(f"http://loopback.test:{port + 1}/", content=b"{}")
    assert canary.reached == 1
    assert attempts == ["127.0.0.1"]


async def test_a_name_that_points_elsewhere_later_gets_no_connection(
    attempts: Attempts, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, canary = Canary(), Canary()
    async with good.listening("127.0.0.2") as port, canary.listening() as elsewhere:
        allowed = (f"127.0.0.2:{port}", f"127.0.0.2:{elsewhere}")
        async with client(*allowed) as guarded:
            assert (await guarded.post(f"http://good.test:{port}/", content=b"{}")).status_code == 200
            monkeypatch.setitem(NAMES, "good.test", ["127.0.0.1"])
            with pytest.raises(TargetForbidden):
                await guarded.post(f"http://good.test:{elsewhere}/", content=b"{}")
    assert (good.reached, canary.reached) == (1, 0)
    assert attempts == ["127.0.0.2"]


async def test_a_redirect_is_an_answer_and_is_not_followed(attempts: Attempts) -> None:
    canary = Canary()
    async with canary.listening() as hidden:
        away = f"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:{hidden}/\r\nContent-Length: 0\r\n"
        async with Canary(away, b"").listening("127.0.0.2") as port, client(f"127.0.0.2:{port}") as guarded:
            answer = await guarded.post(f"http://127.0.0.2:{port}/", content=b"{}")
    assert answer.status_code == 307
    assert canary.reached == 0


async def test_of_a_long_answer_only_the_beginning_is_read(attempts: Attempts) -> None:
    endless = Canary("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n", b"x" * 100_000)
    async with endless.listening() as port, client(f"127.0.0.1:{port}", body_bytes=1000) as guarded:
        answer = await guarded.post(f"http://127.0.0.1:{port}/", content=b"{}")
    assert (answer.status_code, answer.content) == (200, b"x" * 1000)


async def test_nothing_is_decompressed(attempts: Attempts) -> None:
    bomb = gzip.compress(b"\0" * 1_000_000)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n"
    async with Canary(head, bomb).listening() as port, client(f"127.0.0.1:{port}") as guarded:
        answer = await guarded.post(f"http://127.0.0.1:{port}/", content=b"{}")
    assert answer.content == bomb


async def test_the_certificate_must_be_of_the_urls_host(attempts: Attempts, tmp_path: Path) -> None:
    server = make_certificate(tmp_path)  # of 127.0.0.1
    trust = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    async with Canary().listening(tls=server) as port, client(f"127.0.0.1:{port}", tls=trust) as guarded:
        assert (await guarded.post(f"https://127.0.0.1:{port}/", content=b"{}")).status_code == 200
        with pytest.raises(httpx.ConnectError) as refused:
            await guarded.post(f"https://loopback.test:{port}/", content=b"{}")
    assert not isinstance(refused.value, TargetForbidden)


async def test_a_name_that_cannot_be_looked_up_is_unreachable(attempts: Attempts) -> None:
    async with client() as guarded:
        with pytest.raises(httpx.ConnectError) as unknown:
            await guarded.post(f"https://{'a' * 64}.tocsin.invalid/", content=b"{}")
    assert not isinstance(unknown.value, TargetForbidden)
    assert no_answer(unknown.value).reason == "unreachable"
    assert attempts == []


def faults_of(entries: Iterable[str]) -> str:
    with pytest.raises(ValueError, match="no host, network or port") as refused:
        AllowedTargets(entries)
    return str(refused.value)


@pytest.mark.parametrize(
    "entry",
    [
        "",
        ":",
        ":0",
        ":65536",
        "10.0.0.1/8",
        "10.0.0",
        "a b",
        "http://a",
        "a/b",
        "[::1",
        "-a",
        "*.a",
        "a:**",
        ":-1",
    ],
)
def test_an_entry_that_is_nothing_is_refused(entry: str) -> None:
    assert repr(entry) in faults_of([entry])


def test_entries_are_read_as_they_are_written() -> None:
    allowed = AllowedTargets(
        ["Hooks.Internal", "fd00::/8", "[fd01::/16]:8080", "10.1.0.0/16:8080", "127.0.0.1:*", ":9443"]
    )
    assert allowed.host("hooks.internal.", 443)
    assert not allowed.host("hooks.internal", 8080)
    for scheme, host, port, fault in (
        ("http", "hooks.internal", 80, None),
        ("http", "10.1.2.3", 8080, None),
        ("http", "fd00::1", 80, None),
        ("http", "127.0.0.1", 31_337, None),
        ("https", "public.test", 9443, None),
        ("https", PUBLIC, 9443, None),
        ("https", "10.2.0.1", 443, "The URL leads to an address that may not be called: it is not public."),
        ("http", PUBLIC, 80, "The URL leads to an address that may not be called: it is not public."),
        ("https", PUBLIC, 22, "The URL leads to an address that may not be called: it is not public."),
        ("https", "public.test", 22, None),
        ("https", "public.test", 0, "The URL names a port that may not be called. Use 443."),
        ("ftp", "public.test", 443, "The URL must begin with https."),
    ):
        assert allowed.fault(scheme=scheme, host=host, port=port) == fault, (scheme, host, port)
