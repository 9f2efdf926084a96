"""How SNS's server is called: over TLS that is checked, no redirect followed, no more read than fits."""

import ssl
from pathlib import Path

import pytest
from tests.integration.channel.test_guarded_http import Canary

from sinks.certificate import make_certificate
from tocsin.channel.sns_fetch import NotFetched, fetched


@pytest.fixture
def trusted(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The server's side, and that of a client that trusts it."""
    server = make_certificate(tmp_path)
    return server, ssl.create_default_context(cafile=tmp_path / "ca.pem")


async def test_what_is_there_is_read(trusted: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    server, client = trusted
    canary = Canary()
    async with canary.listening(tls=server) as port:
        assert await fetched(f"https://127.0.0.1:{port}/a.pem", tls=client) == b"ok"


@pytest.mark.parametrize(
    "head",
    [
        "HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n",
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n",
        "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n",
        "nothing of HTTP",
    ],
)
async def test_other_answers_are_none(trusted: tuple[ssl.SSLContext, ssl.SSLContext], head: str) -> None:
    server, client = trusted
    canary = Canary(head, b"")
    async with canary.listening(tls=server) as port:
        with pytest.raises(NotFetched):
            await fetched(f"https://127.0.0.1:{port}/a.pem", tls=client)
    assert canary.reached == 1


async def test_no_more_is_read_than_fits(trusted: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    server, client = trusted
    canary = Canary("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n", b"x" * 1_000_000)
    async with canary.listening(tls=server) as port:
        assert len(await fetched(f"https://127.0.0.1:{port}/a.pem", tls=client)) == 16 * 1024


async def test_a_server_that_nobody_vouches_for_is_not_believed(
    trusted: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    server, _ = trusted
    canary = Canary()
    async with canary.listening(tls=server) as port:
        with pytest.raises(NotFetched):
            await fetched(f"https://127.0.0.1:{port}/a.pem")
    assert canary.reached == 0


async def test_without_tls_nothing_is_called() -> None:
    canary = Canary()
    async with canary.listening() as port:
        with pytest.raises(NotFetched):
            await fetched(f"http://127.0.0.1:{port}/a.pem")
    assert canary.reached == 0
