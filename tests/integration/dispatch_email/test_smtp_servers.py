"""What real mail servers receive from our SMTP session is, byte by byte, what they receive from aiosmtplib; and they answer both alike.

Postfix offers PIPELINING, aiosmtpd does not.
"""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

import pytest
from aiosmtpd import smtp
from aiosmtplib import SMTP, SMTPRecipientsRefused, SMTPResponseException
from tests.integration.dispatch_email.postfix import postfix

from tocsin.channel import Accepted, Answer, Rejected
from tocsin.contracts.vocabulary import Reason
from tocsin.dispatch_email.smtp_connection import Server, connect
from tocsin.dispatch_email.smtp_session import Envelope, SmtpSession

PATIENCE = 60.0
"""Seconds."""
BODIES = {
    "dots": b".\r\n..\r\nx\r\n.x\r\n.\r\n",
    "no body": b"",
    "an empty line at the end": b"x\r\n\r\n",
    "a dot at the end": b"x\r\n.\r\n",
    "bare dots and blanks": b" .\r\n. \r\n\t.\r\n",
    "8 bit": "Grüße · 日本 · 🎺\r\n".encode(),
    "the longest line": b"x" * 998 + b"\r\n",
    "large": b"0123456789 abcdefghijklmnopqrstuvwxyz .\r\n.\r\n" * 20_000,
}


class MailServer(Protocol):
    """One that keeps what it receives."""

    port: int

    async def mails(self, count: int) -> list[bytes]:
        """What was received, once that is so many mails."""
        ...


class Aiosmtpd:
    """Refuses what our Postfix refuses."""

    port = 0

    def __init__(self) -> None:
        self._mails: list[bytes] = []

    async def mails(self, count: int) -> list[bytes]:
        assert len(self._mails) == count
        return self._mails

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self,
        _server: smtp.SMTP,
        _session: smtp.Session,
        envelope: smtp.Envelope,
        address: str,
        _options: list[str],
    ) -> str:
        if any(letter.isdigit() for letter in address):
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, _server: smtp.SMTP, _session: smtp.Session, envelope: smtp.Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        if b"X-Refused:" in envelope.content:
            return "550 5.7.1 message content rejected"
        self._mails.append(envelope.content)
        return "250 2.0.0 Ok: queued as 4F2A1B"


@asynccontextmanager
async def aiosmtpd() -> AsyncIterator[Aiosmtpd]:
    server, loop = Aiosmtpd(), asyncio.get_running_loop()
    listening = await loop.create_server(
        lambda: smtp.SMTP(server, loop=loop, hostname="server.example", enable_SMTPUTF8=True), "127.0.0.1", 0
    )
    async with listening:
        server.port = listening.sockets[0].getsockname()[1]
        yield server


@pytest.fixture(params=["aiosmtpd", pytest.param("postfix", marks=pytest.mark.postfix)])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[MailServer]:
    if request.param == "postfix" and os.geteuid() != 0:
        pytest.skip("only root can start Postfix")
    async with postfix() if request.param == "postfix" else aiosmtpd() as running:
        yield running


@asynccontextmanager
async def session_with(server: MailServer, *, ca: ssl.SSLContext | None = None) -> AsyncIterator[SmtpSession]:
    where = Server(
        host="127.0.0.1",
        port=server.port,
        tls="starttls" if ca else "none",
        tls_context=ca,
        username=None,
        password="",
        helo="client.example",
    )
    session = await connect(where, until=_soon(), now=0.0)
    assert isinstance(session, SmtpSession)
    yield session
    await session.quit()


def envelope(subject: str, body: bytes = b"x\r\n", *, recipient: str = "ada", header: str = "") -> Envelope:
    message = f"Subject: {subject}\r\n{header}\r\n".encode() + body
    return Envelope(
        sender=b"shop@example.com",
        recipient=f"{recipient}@example.org".encode(),
        international=not message.isascii(),
        message=message,
    )


async def ours(session: SmtpSession, mail: Envelope) -> Answer:
    return await session.hand_over(mail, until=_soon())


async def reference(client: SMTP, mail: Envelope) -> int:
    """The reply's number."""
    options = ["SMTPUTF8", "BODY=8BITMIME"] if mail.international else []
    try:
        await client.sendmail(
            mail.sender.decode(), mail.recipient.decode(), mail.message, mail_options=options
        )
    except SMTPRecipientsRefused as refused:
        return refused.recipients[0].code
    except SMTPResponseException as refused:
        return refused.code
    return 250


def client_of(server: MailServer) -> SMTP:
    return SMTP(hostname="127.0.0.1", port=server.port, local_hostname="client.example", start_tls=False)


def _soon() -> float:
    return asyncio.get_running_loop().time() + PATIENCE


def as_sent(received: bytes) -> bytes:
    """Without the headers that the server puts before ours; lines end in LF."""
    lines = received.replace(b"\r\n", b"\n")
    return lines[lines.index(b"Subject: ") :]


async def test_every_byte_arrives_as_the_reference_sends_it(server: MailServer) -> None:
    async with asyncio.timeout(PATIENCE), session_with(server) as session, client_of(server) as client:
        for name, body in BODIES.items():
            assert isinstance(await ours(session, envelope(name, body)), Accepted), name
            assert await reference(client, envelope(name, body)) == 250, name
        received = [as_sent(mail) for mail in await server.mails(2 * len(BODIES))]
    wanted = [envelope(name, body).message.replace(b"\r\n", b"\n") for name, body in BODIES.items()]
    assert sorted(received) == sorted([*wanted, *wanted])


@pytest.mark.parametrize(
    ("refused", "code"),
    [
        (envelope("to nobody", recipient="nobody-0"), "550 5.1.1"),
        (envelope("unwanted", header="X-Refused: yes\r\n"), "550 5.7.1"),
    ],
    ids=["the recipient is refused", "the message is refused"],
)
async def test_a_refusal_is_the_references_and_the_session_goes_on(
    server: MailServer, refused: Envelope, code: str
) -> None:
    async with asyncio.timeout(PATIENCE), session_with(server) as session, client_of(server) as client:
        for turn in range(3):
            answer = await ours(session, refused)
            assert isinstance(answer, Rejected)
            assert answer.code == code
            assert session.reusable
            assert await reference(client, refused) == int(code[:3])
            assert isinstance(await ours(session, envelope(f"after refusal {turn}")), Accepted)
        subjects = sorted(as_sent(mail).splitlines()[0] for mail in await server.mails(3))
    assert subjects == [b"Subject: after refusal %d" % turn for turn in range(3)]


async def test_mails_over_several_sessions_arrive_once(server: MailServer) -> None:
    async def some(number: int) -> list[Answer]:
        async with session_with(server) as session:
            return [await ours(session, envelope(f"{number} {turn}", BODIES["dots"])) for turn in range(20)]

    async with asyncio.timeout(PATIENCE):
        answers = [answer for part in await asyncio.gather(*map(some, range(3))) for answer in part]
        received = await server.mails(60)
    assert [answer for answer in answers if not isinstance(answer, Accepted)] == []
    assert len({answer.message_id for answer in answers if isinstance(answer, Accepted)}) in {
        1,
        60,
    }  # aiosmtpd names one
    subjects = {as_sent(mail).splitlines()[0] for mail in received}
    assert subjects == {b"Subject: %d %d" % (number, turn) for number in range(3) for turn in range(20)}


@pytest.mark.postfix
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start Postfix")
async def test_pipelining_goes_on_behind_starttls() -> None:
    async with asyncio.timeout(PATIENCE), postfix() as server:
        trusted = ssl.create_default_context(cafile=server.ca_file)
        async with session_with(server, ca=trusted) as session:
            first = await ours(session, envelope("first", BODIES["large"]))
            refused = await ours(session, envelope("to nobody", recipient="nobody-0"))
            last = await ours(session, envelope("last"))
        received = sorted(as_sent(mail).splitlines()[0] for mail in await server.mails(2))
    assert isinstance(first, Accepted)
    assert isinstance(refused, Rejected)
    assert refused.reason is Reason.ADDRESS_GONE
    assert isinstance(last, Accepted)
    assert received == [b"Subject: first", b"Subject: last"]
