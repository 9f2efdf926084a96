"""Attachments, from a server of files that does as it is told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.attached_files import PDF, attachment, mail_with
from tests.integration.dispatch_email.file_server import FileServer

from tocsin.channel import NotSent, Rejected
from tocsin.contracts.jobs import Job
from tocsin.dispatch_email import attachments as attachments_module
from tocsin.dispatch_email.attachments import Attachments, Ready
from tocsin.runtime import SystemClock
from tocsin.runtime.outgoing import AllowedTargets
from tocsin.testing.until import until

MIB = 1024 * 1024


@pytest.fixture
async def server() -> AsyncIterator[FileServer]:
    async with FileServer.listening() as server:
        server.files["/invoice.pdf"] = PDF
        yield server


@asynccontextmanager
async def fetching(memory: int = 16 * MIB, *allowed: str) -> AsyncIterator[Attachments]:
    targets = AllowedTargets(allowed or ("127.0.0.1:*", "localhost:*"))
    attached = Attachments(allowed=targets, memory=memory, clock=SystemClock())
    try:
        yield attached
    finally:
        await attached.close()


def job_of(server: FileServer, path: str = "/invoice.pdf", content: bytes = PDF, **fields: object) -> Job:
    return mail_with(attachment(content, url=server.url + path), **fields)


async def test_a_file_is_fetched_once_and_is_what_was_told(server: FileServer) -> None:
    async with fetching() as attached:
        job = job_of(server)
        assert attached.needed_by(job)
        ready = await attached.prepare(job)
        assert isinstance(ready, Ready)
        [file] = attached.files_of(job)
        assert (file.base64, file.about) == (
            "JVBERi0xLjcgbWFya2VkLWJvZHkgb2YgYW4gaW52b2ljZQ==",
            job.intent.private.attachments[0],
        )
        ready.release()
        again = [await attached.prepare(job_of(server, delivery_id=f"d{number}")) for number in range(5)]
        assert all(isinstance(each, Ready) for each in again)
        assert server.asked == {"/invoice.pdf": 1}


async def test_many_that_come_at_once_ask_once(server: FileServer) -> None:
    async with fetching() as attached:
        jobs = [job_of(server, delivery_id=f"d{number}") for number in range(20)]
        assert all(isinstance(each, Ready) for each in await asyncio.gather(*map(attached.prepare, jobs)))
    assert server.asked == {"/invoice.pdf": 1}


async def test_who_knows_a_hash_does_not_get_the_file_of_another_tenant(server: FileServer) -> None:
    async with fetching() as attached:
        assert isinstance(await attached.prepare(job_of(server)), Ready)
        thief = job_of(server, "/elsewhere.pdf", tenant="thief")
        answer = await attached.prepare(thief)
    assert isinstance(answer, NotSent)
    assert (answer.reason, answer.code) == ("attachment_unreachable", "404")


async def test_several_files_of_one_mail(server: FileServer) -> None:
    server.files["/logo.png"] = b"png"
    files = [
        attachment(url=f"{server.url}/invoice.pdf"),
        attachment(b"png", url=f"{server.url}/logo.png", inline="logo"),
        attachment(name="copy.pdf", url=f"{server.url}/invoice.pdf"),
    ]
    async with fetching() as attached:
        job = mail_with(*files)
        ready = await attached.prepare(job)
        assert isinstance(ready, Ready)
        assert [file.about.name for file in attached.files_of(job)] == [
            "invoice.pdf",
            "invoice.pdf",
            "copy.pdf",
        ]
        assert len(server.asked) == 2
        ready.release()
        ready.release()
        assert (attached._held.taken, attached._composed.taken, attached._cache._held) == (0, 0, {})


@pytest.mark.parametrize(
    ("how", "reason", "code"),
    [
        ("cut", "attachment_unreachable", None),
        ("busy", "attachment_unreachable", "503"),
        ("endless", "attachment_changed", None),
        ("redirect", "attachment_invalid", "302"),
    ],
)
async def test_a_server_that_does_not_give_the_file(
    server: FileServer, how: str, reason: str, code: str | None
) -> None:
    server.handlers["/invoice.pdf"] = getattr(server, how)
    async with fetching() as attached:
        answer = await attached.prepare(job_of(server))
        assert isinstance(answer, NotSent | Rejected)
        assert (answer.reason, answer.code) == (reason, code)
        assert isinstance(answer, NotSent) == (reason == "attachment_unreachable")
        assert getattr(answer, "retry_after", None) == (7 if how == "busy" else None)
        assert "marked" not in repr(answer)
        assert server.url not in repr(answer)
        assert (attached._held.taken, attached._composed.taken) == (0, 0)


@pytest.mark.parametrize("other", [b"%PDF-1.7 of somebody else, same size", PDF[:-1], PDF + b"!", b""])
async def test_a_file_that_is_another_one_is_not_sent(server: FileServer, other: bytes) -> None:
    server.files["/invoice.pdf"] = other
    async with fetching() as attached:
        answer = await attached.prepare(job_of(server))
    assert isinstance(answer, Rejected)
    assert answer.reason == "attachment_changed"


async def test_a_file_that_is_there_again_is_fetched(server: FileServer) -> None:
    del server.files["/invoice.pdf"]
    async with fetching() as attached:
        assert isinstance(await attached.prepare(job_of(server)), NotSent)
        server.files["/invoice.pdf"] = PDF
        assert isinstance(await attached.prepare(job_of(server)), Ready)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/invoice.pdf",
        "https://127.0.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        # No host that can be read, or that rules of names allow: they must stop this mail, and no other.
        "https://[1]/a",
        "https://[:::::]/a",
        "https://a\uff03b/x",
        "https://xn--a/x",
        "https://xn--zzzzzz/x",
    ],
)
async def test_nothing_internal_is_called_unless_it_is_allowed(server: FileServer, url: str) -> None:
    async with fetching(16 * MIB, "files.internal") as attached:
        answer = await attached.prepare(mail_with(attachment(url=url.format(port=server.port))))
    assert isinstance(answer, Rejected)
    assert answer.reason == "attachment_invalid"
    assert not server.asked


async def test_a_url_that_refuses_does_not_refuse_the_file_of_another(server: FileServer) -> None:
    server.handlers["/moved.pdf"] = server.redirect
    elsewhere = mail_with(attachment(url=f"{server.url}/moved.pdf"))
    async with fetching() as attached:
        answers = await asyncio.gather(attached.prepare(elsewhere), attached.prepare(job_of(server)))
    assert isinstance(answers[0], Rejected)
    assert isinstance(answers[1], Ready)


async def test_a_host_that_drips_holds_up_only_what_it_has(
    server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of its files is as large as a share of the room; none of the others waits for them."""
    monkeypatch.setattr(attachments_module, "SECONDS", 60.0)
    slow = [
        mail_with(
            attachment(bytes([number]) * MIB, url=f"http://localhost:{server.port}/slow"),
            delivery_id=f"s{number}",
        )
        for number in range(40)
    ]
    server.handlers["/slow"] = server.drip
    async with fetching(16 * MIB) as attached:
        waiting = [asyncio.create_task(attached.prepare(job)) for job in slow]
        await until(lambda: server.dripping == 1)
        for number in range(30):
            job = job_of(server, delivery_id=f"d{number}", tenant="other")
            ready = await attached.prepare(job)
            assert isinstance(ready, Ready)
            ready.release()
        assert not any(task.done() for task in waiting)
        assert attached._held.taken <= 4 * MIB
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert attached._held.taken == 0


async def test_a_server_that_never_ends_is_given_up(
    server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attachments_module, "SECONDS", 0.2)
    server.handlers["/invoice.pdf"] = server.drip
    async with fetching() as attached:
        answer = await attached.prepare(job_of(server, content=PDF * 100))
    assert isinstance(answer, NotSent)
    assert answer.reason == "attachment_unreachable"


async def test_a_message_of_a_test_key_needs_no_file() -> None:
    async with fetching() as attached:
        assert not attached.needed_by(mail_with(attachment(), test=True))
        assert not attached.needed_by(mail_with())


async def test_one_mail_with_large_files_at_once(server: FileServer) -> None:
    """The others wait, and come one after the other."""
    server.files["/large"] = large = b"0123456789abcdef" * (2 * MIB // 16)
    async with fetching(16 * MIB) as attached:
        jobs = [job_of(server, "/large", large, delivery_id=f"d{number}") for number in range(10)]
        waiting = {asyncio.create_task(attached.prepare(job)) for job in jobs}
        for _ in range(10):
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            assert len(done) == 1
            assert attached._composed.taken == 12 * MIB
            ready = done.pop().result()
            assert isinstance(ready, Ready)
            ready.release()
    assert server.asked == {"/large": 1}
