"""Bounces that a real Postfix writes: each is found by what came back with it, and means what its code says."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import pytest
from tests.integration.dispatch_email.postfix import postfix

from tocsin.channel import Accepted
from tocsin.channel.ref import RefKey, Refs
from tocsin.contracts.jobs import EmailContent
from tocsin.contracts.vocabulary import Channel, Reason, StatusName
from tocsin.dispatch_email.mail_receipts import read_report
from tocsin.dispatch_email.smtp import SmtpConfig, SmtpProvider
from tocsin.runtime import SystemClock
from tocsin.testing.jobs import job_for

HARD, SOFT, BLOCKED = Reason.HARD_BOUNCE, Reason.SOFT_BOUNCE, Reason.BLOCKED
CODES = {
    "5.1.1": HARD, "5.1.2": HARD, "5.1.3": HARD, "5.1.6": HARD, "5.1.10": HARD,
    "5.7.1": BLOCKED, "5.7.26": BLOCKED,
    "5.0.0": SOFT, "5.1.0": SOFT, "5.2.0": SOFT, "5.2.1": SOFT, "5.2.2": SOFT, "5.2.3": SOFT, "5.3.4": SOFT, "5.4.1": SOFT,
    "5.4.4": SOFT, "5.4.6": SOFT, "5.6.0": SOFT, "4.2.2": SOFT, "4.4.1": SOFT,
}  # fmt: skip
REFS = Refs([RefKey("1", "k" * 32)], channel=Channel.EMAIL, instance="own")
LARGE = "marked-body line\n" * 4_000
"""More than Postfix gives back whole: of these it returns the headers alone."""


@asynccontextmanager
async def refusing() -> AsyncIterator[int]:
    """The port of a mail server that refuses each recipient with the code that the domain names."""

    async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 far.example ESMTP\r\n")
        while line := await reader.readline():
            code = re.search(rb"TO:<[^@]+@c([\d.]+)\.example>", line)
            kind = b"550" if code is None or code[1].startswith(b"5") else b"450"
            writer.write(
                b"250 OK\r\n" if code is None else b"%b %b marked-body: nobody\r\n" % (kind, code[1])
            )
        writer.close()

    server = await asyncio.start_server(session, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.postfix
@pytest.mark.nightly  # Postfix takes 13 s to give up on twenty mails
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start Postfix")
async def test_twenty_bounces_are_found_and_mean_what_they_say() -> None:
    async with asyncio.timeout(120), refusing() as next_server, postfix(next_server) as server:
        config = SmtpConfig(
            name="own", kind="smtp", host="127.0.0.1", port=server.port, tls="none", helo="client.example",
            envelope_sender="bounces@example.org",
        )  # fmt: skip
        provider = SmtpProvider(config, SystemClock())
        provider.seal_ref = REFS.seal
        await provider.open()
        for number, code in enumerate(CODES):
            content = EmailContent(subject="marked-body", text=LARGE if number % 5 == 0 else "marked-body")
            job = job_for(
                Channel.EMAIL, address=f"marked-address@c{code}.example", recipient=code, content=content
            )
            assert isinstance(await provider.send(job), Accepted)
        await provider.close()
        reports = await server.mails(len(CODES))
    told = {}
    returned_whole = 0
    for report in reports:
        (event,) = read_report(report)
        assert event.ref is not None
        ref = REFS.open(event.ref)
        assert ref is not None
        assert event.status is StatusName.BOUNCED
        assert isinstance(event.at, datetime)
        assert "marked" not in repr(event)
        told[ref.recipient] = event.code, event.reason
        returned_whole += b"Content-Type: message/rfc822" in report
    assert told == {code: (code, reason) for code, reason in CODES.items()}
    assert 0 < returned_whole < len(CODES)
