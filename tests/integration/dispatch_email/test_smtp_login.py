"""The SMTP provider against aiosmtpd: STARTTLS, implicit TLS, logins, certificates."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd import smtp
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session

from sinks.certificate import make_certificate
from tocsin.channel import Accepted, Answer, NotSent
from tocsin.contracts.vocabulary import Channel, Reason
from tocsin.dispatch_email.smtp import SmtpConfig, SmtpProvider
from tocsin.runtime import SystemClock
from tocsin.testing.jobs import job_for


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of 127.0.0.1, signed by itself; its key lies beside it."""
    folder = tmp_path_factory.mktemp("tls")
    make_certificate(folder)
    return folder / "ca.pem"


class Mailbag:
    """Takes every mail."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.encrypted: list[bool] = []

    async def handle_DATA(self, _server: smtp.SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        assert isinstance(envelope.content, bytes)
        self.mails.append(BytesParser(policy=policy.default).parsebytes(envelope.content))
        self.encrypted.append(session.ssl is not None)
        return "250 OK id=1abcDE-000001-2F"


def knows_the_word(
    _server: smtp.SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: object
) -> AuthResult:
    right = isinstance(data, LoginPassword) and (data.login, data.password) == (b"tocsin", b"s3cret")
    return AuthResult(success=right, handled=right)


@asynccontextmanager
async def serve(
    mailbag: Mailbag, *, implicit: ssl.SSLContext | None = None, **options: Any
) -> AsyncIterator[int]:
    """The port of a server with these options of aiosmtpd's."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: smtp.SMTP(mailbag, loop=loop, hostname="server.example", **options),
        "127.0.0.1",
        0,
        ssl=implicit,
    )
    async with server:
        yield server.sockets[0].getsockname()[1]


def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    return context


@pytest.fixture
def mailbag() -> Mailbag:
    return Mailbag()


@pytest.fixture
async def starttls(mailbag: Mailbag, certificate: Path) -> AsyncIterator[int]:
    """Port of a server that wants STARTTLS, then a login."""
    async with serve(
        mailbag,
        tls_context=server_tls(certificate),
        require_starttls=True,
        auth_required=True,
        authenticator=knows_the_word,
    ) as port:
        yield port


async def send(tmp_path: Path, **fields: object) -> Answer:
    (tmp_path / "password").write_text(str(fields.pop("password", "s3cret")))
    entry = {"name": "test", "kind": "smtp", "host": "127.0.0.1"} | fields
    if "username" in fields:
        entry["password_file"] = "password"
    provider = SmtpProvider(SmtpConfig.model_validate(entry, context={"folder": tmp_path}), SystemClock())
    await provider.open()
    answer = await provider.send(job_for(Channel.EMAIL))
    await provider.close()
    return answer


async def test_starttls_and_login(starttls: int, mailbag: Mailbag, certificate: Path, tmp_path: Path) -> None:
    answer = await send(tmp_path, port=starttls, username="tocsin", ca_file=certificate)
    assert answer == Accepted(message_id="1abcDE-000001-2F", code="250")
    assert mailbag.encrypted == [True]
    mail = mailbag.mails[0]
    assert mail["Subject"] == "marked-body subject"
    body = mail.get_body(("plain",))
    assert body is not None
    assert body.get_content().strip() == "marked-body"


async def test_implicit_tls(mailbag: Mailbag, certificate: Path, tmp_path: Path) -> None:
    async with serve(mailbag, implicit=server_tls(certificate)) as port:
        answer = await send(tmp_path, port=port, tls="implicit", ca_file=certificate)
    assert isinstance(answer, Accepted)
    assert len(mailbag.mails) == 1


async def test_without_tls(mailbag: Mailbag, tmp_path: Path) -> None:
    async with serve(mailbag) as port:
        answer = await send(tmp_path, port=port, tls="none")
    assert isinstance(answer, Accepted)
    assert mailbag.encrypted == [False]


async def test_a_wrong_password_is_our_fault(
    starttls: int, mailbag: Mailbag, certificate: Path, tmp_path: Path
) -> None:
    answer = await send(tmp_path, port=starttls, username="tocsin", password="wrong", ca_file=certificate)
    assert isinstance(answer, NotSent)
    assert answer.reason is Reason.CREDENTIALS_REFUSED
    assert answer.code == "535 5.7.8"
    assert mailbag.mails == []


async def test_a_missing_login_is_our_fault(starttls: int, certificate: Path, tmp_path: Path) -> None:
    answer = await send(tmp_path, port=starttls, ca_file=certificate)
    assert isinstance(answer, NotSent)
    assert answer.reason is Reason.CREDENTIALS_REFUSED


async def test_an_unknown_certificate_is_refused(starttls: int, mailbag: Mailbag, tmp_path: Path) -> None:
    answer = await send(tmp_path, port=starttls, username="tocsin")
    assert isinstance(answer, NotSent)
    assert answer.reason is Reason.UNREACHABLE
    assert answer.detail == "TLS with the server failed."
    assert mailbag.mails == []


async def test_an_unknown_certificate_is_refused_with_implicit_tls(
    mailbag: Mailbag, certificate: Path, tmp_path: Path
) -> None:
    async with serve(mailbag, implicit=server_tls(certificate)) as port:
        answer = await send(tmp_path, port=port, tls="implicit")
    assert isinstance(answer, NotSent)
    assert answer.detail == "TLS with the server failed."


async def test_a_server_without_starttls_gets_nothing(mailbag: Mailbag, tmp_path: Path) -> None:
    async with serve(mailbag) as port:
        answer = await send(tmp_path, port=port, username="tocsin")
    assert isinstance(answer, NotSent)
    assert answer.detail == "The server does not offer STARTTLS."
    assert mailbag.mails == []


async def test_a_server_without_login_gets_nothing(
    mailbag: Mailbag, certificate: Path, tmp_path: Path
) -> None:
    async with serve(
        mailbag, tls_context=server_tls(certificate), auth_exclude_mechanism=["LOGIN", "PLAIN"]
    ) as port:
        answer = await send(tmp_path, port=port, username="tocsin", ca_file=certificate)
    assert isinstance(answer, NotSent)
    assert answer.reason is Reason.CREDENTIALS_REFUSED
    assert mailbag.mails == []
