"""The bench's sinks take everything, know each message, and answer some recipients slowly or with an error when told to."""

import asyncio
import smtplib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest

from caught import Temper
from sink import HTTP, SMTP, Sink


@asynccontextmanager
async def opened(folder: Path, *, program: str = SMTP, temper: Temper | None = None) -> AsyncIterator[Sink]:
    async with Sink(folder / "sink.log", program=program, temper=temper) as sink:
        yield sink


def mail(recipient: str, one: str | None = None) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"] = "shop@bench.example", recipient
    if one is not None:
        message["X-Tocsin-Notification"] = one
    message.set_content("Hello\n.\nthere")
    return message


async def sent(sink: Sink, job: Callable[[smtplib.SMTP], object]) -> object:
    def run() -> object:
        with smtplib.SMTP("127.0.0.1", sink.port) as client:
            return job(client)

    return await asyncio.to_thread(run)


async def test_a_mail_is_known_by_its_header_or_else_by_its_recipient(tmp_path: Path) -> None:
    async with opened(tmp_path) as sink:
        await sent(sink, lambda client: client.send_message(mail("a@bench.example", "id-1")))
        await sent(sink, lambda client: client.send_message(mail("b@bench.example")))
        caught = await sink.take()
        assert caught.ids == ["id-1", "b@bench.example"]
        assert caught.times == sorted(caught.times)
        assert await sink.count() == 0


async def test_who_is_refused_is_taken_the_second_time(tmp_path: Path) -> None:
    async with opened(tmp_path, temper=Temper(error_share=1.0)) as sink:
        with pytest.raises(smtplib.SMTPDataError, match="451"):
            await sent(sink, lambda client: client.send_message(mail("a@bench.example", "id-1")))
        await sent(sink, lambda client: client.send_message(mail("a@bench.example", "id-1")))
        assert (await sink.take()).ids == ["id-1"]


async def test_who_is_answered_slowly_is_overtaken(tmp_path: Path) -> None:
    temper = Temper(slow_share=0.5, slow_seconds=3.0)
    people = [f"user-{number}@bench.example" for number in range(20)]
    slow = next(person for person in people if temper.slow(person.encode()))
    quick = next(person for person in people if not temper.slow(person.encode()))
    async with opened(tmp_path, temper=temper) as sink:
        waiting = asyncio.create_task(sent(sink, lambda client: client.send_message(mail(slow, "slow"))))
        await sent(sink, lambda client: client.send_message(mail(quick, "quick")))
        await waiting
        assert (await sink.take()).ids == ["quick", "slow"]


def test_who_is_slow_and_who_is_refused_is_told_by_the_recipient_alone() -> None:
    temper = Temper(slow_share=0.02, error_share=0.03)
    people = [b"user-%d@bench.example" % number for number in range(10_000)]
    slow = {person for person in people if temper.slow(person)}
    refused = {person for person in people if temper.refuses(person)}
    assert not slow & refused
    assert 100 < len(slow) < 300
    assert 200 < len(refused) < 400


async def test_sms_and_push_are_known_by_header_and_by_data(tmp_path: Path) -> None:
    one, other = "3b0f6c1e-9d4b-5a53-8e33-1f2a4cbb1d10", "3b0f6c1e-9d4b-5a53-8e33-1f2a4cbb1d11"
    async with (
        opened(tmp_path, program=HTTP) as sink,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{sink.port}", trust_env=False) as client,
    ):
        assert (await client.post("/token", data={"grant_type": "x"})).json()["access_token"]
        sms = await client.post(
            "/2010-04-01/Accounts/AC1/Messages.json",
            data={"To": "+14155550100"},
            headers={"X-Tocsin-Notification": one},
        )
        push = await client.post(
            "/v1/projects/p/messages:send", content=b'{"data":{"tocsin_notification":"%s"}}' % other.encode()
        )
        assert (sms.status_code, push.status_code) == (201, 200)
        assert (await sink.take()).ids == [one, other]
