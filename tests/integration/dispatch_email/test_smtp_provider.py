"""The SMTP provider against servers that do as they are told: every answer, kept connections, lost ones."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from email import message_from_bytes, policy
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tests.attached_files import PDF, attachment, here, mail_with
from tests.integration.dispatch_email.scripted_smtp import ScriptedServer

from tocsin.channel import Accepted, Ambiguous, Answer, NotSent, Rejected
from tocsin.channel.ref import RefKey, Refs
from tocsin.contracts.jobs import EmailContent, SenderIdentity
from tocsin.contracts.vocabulary import Channel, Reason
from tocsin.dispatch_email.own_headers import whole_ref
from tocsin.dispatch_email.smtp import SmtpProvider
from tocsin.observability import span
from tocsin.testing import ManualClock
from tocsin.testing.jobs import job_for
from tocsin.testing.provider_suite import Behaviour, ProviderSuite


@pytest.fixture(params=["one by one", "pipelining"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[ScriptedServer]:
    server = ScriptedServer()
    if request.param == "pipelining":
        server.extensions.append("PIPELINING")
    await server.listen()
    yield server
    await server.end()


class TestSmtpProvider(ProviderSuite):
    pass


async def test_the_mail_arrives_as_it_was_made(world: ScriptedServer) -> None:
    content = EmailContent(subject="Dots", text=".\n..\nx\n.x\n.y\n")
    async with world.provider() as provider:
        answer = await provider.send(job_for(Channel.EMAIL, content=content))
    assert answer == Accepted(message_id="4F2A1B", code="250 2.0.0")
    assert world.commands[:4] == [
        "EHLO client.example",
        "MAIL FROM:<shop@example.com>",
        "RCPT TO:<marked-address@example.org>",
        "DATA",
    ]
    assert b"\r\nSubject: Dots\r\n" in world.messages[0]
    assert world.messages[0].endswith(b"\r\n\r\n=2E\r\n..\r\nx\r\n.x\r\n.y\r\n\r\n")


async def test_a_mail_is_signed_where_the_instance_has_a_key(world: ScriptedServer, tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    (tmp_path / "key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = b64encode(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
    keys = [{"domain": "example.com", "selector": "s1", "key_file": str(tmp_path / "key")}]
    content = EmailContent(subject="Dots", text=".\n..\nx\n.x\n")
    async with world.provider(dkim=keys) as provider:
        for sender in ("shop@example.com", "shop@example.org"):
            job = job_for(Channel.EMAIL, content=content, sender=SenderIdentity(address=sender))
            assert isinstance(await provider.send(job), Accepted)
    signed, unsigned = world.messages
    assert dkim.verify(signed, dnsfunc=lambda _name, timeout=5: b"v=DKIM1; k=ed25519; p=" + public)
    assert b"DKIM-Signature" not in unsigned


async def test_files_go_with_the_mail_and_under_its_signature(world: ScriptedServer, tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    (tmp_path / "key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = b64encode(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
    keys = [{"domain": "example.com", "selector": "s1", "key_file": str(tmp_path / "key")}]
    files = [here(bytes(range(256)) * 2000, name="請求書.pdf"), here(name="a.pdf")]
    async with world.provider(dkim=keys) as provider:
        assert isinstance(provider, SmtpProvider)
        provider.files_of = lambda _job: files
        assert isinstance(await provider.send(mail_with(*(file.about for file in files))), Accepted)
    [message] = world.messages
    assert dkim.verify(message, dnsfunc=lambda _name, timeout=5: b"v=DKIM1; k=ed25519; p=" + public)
    mail = message_from_bytes(message, policy=policy.SMTP)
    assert [(part.get_filename(), part.get_content()) for part in mail.iter_attachments()] == [
        ("請求書.pdf", bytes(range(256)) * 2000), ("a.pdf", PDF),
    ]  # fmt: skip


async def test_no_mail_goes_without_the_files_that_it_needs(world: ScriptedServer) -> None:
    async with world.provider() as provider:
        answer = await provider.send(mail_with(attachment()))
    assert isinstance(answer, Rejected)
    assert (answer.reason, world.messages) == (Reason.CONTENT_REFUSED, [])


async def test_connections_are_kept_within_their_limits(world: ScriptedServer) -> None:
    clock = ManualClock()
    async with world.provider(
        mails_per_connection=3, connection_age=100, connection_idle=60, clock=clock
    ) as provider:
        connections = []
        for seconds in (0, 0, 0, 0, 59, 0, 59, 61, 30):
            clock.advance(seconds)
            assert isinstance(await provider.send(job_for(Channel.EMAIL)), Accepted)
            connections.append(world.connections)
    # three mails; then by number; the fifth and sixth are young enough; the seventh is the fourth; idle for too long; kept
    assert connections == [1, 1, 1, 2, 2, 2, 3, 4, 4]


async def test_many_mails_share_few_connections(world: ScriptedServer) -> None:
    async with world.provider() as provider:

        async def runner() -> list[Answer]:
            return [await provider.send(job_for(Channel.EMAIL)) for _ in range(15)]

        answers = [answer for some in await asyncio.gather(*(runner() for _ in range(4))) for answer in some]
    assert all(isinstance(answer, Accepted) for answer in answers)
    assert world.connections <= 4


async def test_a_kept_connection_that_was_closed_meanwhile_costs_nothing(world: ScriptedServer) -> None:
    async with world.provider() as provider:
        assert isinstance(await provider.send(job_for(Channel.EMAIL)), Accepted)
        world.drop()
        assert isinstance(await provider.send(job_for(Channel.EMAIL)), Accepted)
    assert world.connections == 2


async def test_a_silent_server_costs_a_call_one_of_the_kept_connections(world: ScriptedServer) -> None:
    """The call's time is over then: on another connection it could not end either."""
    async with world.provider(call_timeout=1.0) as provider:
        mails = [provider.send(job_for(Channel.EMAIL)) for _ in range(3)]
        assert all(isinstance(answer, Accepted) for answer in await asyncio.gather(*mails))
        kept, spoken = world.connections, len(world.commands)
        world.replies = {"MAIL": b""}
        assert isinstance(await provider.send(job_for(Channel.EMAIL)), NotSent)
        assert [command.split()[0] for command in world.commands[spoken:]] == ["MAIL"]
        world.replies = {}
        assert isinstance(await provider.send(job_for(Channel.EMAIL)), Accepted)
        assert world.connections == kept


async def test_a_farewell_to_a_kept_connection_leads_to_a_new_one(world: ScriptedServer) -> None:
    async with world.provider() as provider:
        assert isinstance(await provider.send(job_for(Channel.EMAIL)), Accepted)
        world.replies = {"MAIL": b"421 4.4.2 idle for too long\r\n", "GREETING": b"220 again\r\n"}
        original = world._reply

        async def forgiving(writer: asyncio.StreamWriter, word: str, friendly: bytes) -> bool:
            if word == "GREETING":
                world.replies.pop("MAIL", None)
            return await original(writer, word, friendly)

        world._reply = forgiving  # type: ignore[method-assign]  # a new connection is welcome again
        assert isinstance(await provider.send(job_for(Channel.EMAIL)), Accepted)
        assert world.connections == 2


async def test_after_a_refusal_the_connection_is_reset_and_kept(world: ScriptedServer) -> None:
    async with world.provider() as provider:
        await world.behave(Behaviour.REFUSES_RECIPIENT)
        assert isinstance(await provider.send(job_for(Channel.EMAIL)), Rejected)
        await world.behave(Behaviour.TAKES)
        assert isinstance(await provider.send(job_for(Channel.EMAIL)), Accepted)
    assert "RSET" in world.commands
    assert world.connections == 1


async def test_a_refusal_is_told_though_the_server_waits_for_a_message(world: ScriptedServer) -> None:
    """RFC 2920 3.1: DATA may be answered 354 although every recipient was refused."""
    await world.behave(Behaviour.REFUSES_RECIPIENT)
    world.data_without_recipients = b"354 go ahead\r\n"
    async with world.provider() as provider:
        answer = await provider.send(job_for(Channel.EMAIL))
        assert isinstance(answer, Rejected)
        assert answer.code == "550 5.1.1"
        await world.behave(Behaviour.TAKES)
        assert isinstance(await provider.send(job_for(Channel.EMAIL)), Accepted)
    assert len(world.messages) == 1  # and no empty one


async def test_replies_may_come_in_pieces_and_in_lines(world: ScriptedServer) -> None:
    original = world._reply

    async def crumbling(writer: asyncio.StreamWriter, word: str, friendly: bytes) -> bool:
        if word in {"EHLO", "QUIT"}:
            return await original(writer, word, friendly)
        code, text = friendly[:3], friendly[4:]
        for piece in (code, b"-2.0.0 first\r", b"\n" + code + b"-\r\n" + code[:1], code[1:] + b" " + text):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.002)
        return True

    world._reply = crumbling  # type: ignore[method-assign]  # the same replies, crumbled
    async with world.provider() as provider:
        assert isinstance(await provider.send(job_for(Channel.EMAIL)), Accepted)
        assert isinstance(await provider.send(job_for(Channel.EMAIL)), Accepted)
    assert len(world.messages) == 2


async def test_a_farewell_between_two_mails_is_no_reply_to_the_second(world: ScriptedServer) -> None:
    async with world.provider() as provider:
        assert isinstance(await provider.send(job_for(Channel.EMAIL)), Accepted)
        for writer in world._writers:
            writer.write(b"421 4.4.2 idle for too long\r\n")
        while provider._idle[0].quiet:  # type: ignore[attr-defined]  # noqa: ASYNC110 - a connection tells nobody
            await asyncio.sleep(0)
        assert isinstance(await provider.send(job_for(Channel.EMAIL)), Accepted)
    assert (len(world.messages), world.connections) == (2, 2)


async def test_a_reply_without_end_is_cut_off(world: ScriptedServer) -> None:
    world.replies = {"MESSAGE": b"250-" + b"x" * 100_000}
    async with world.provider() as provider:
        assert isinstance(await provider.send(job_for(Channel.EMAIL)), Ambiguous)


@pytest.mark.parametrize("word", ["GREETING", "EHLO", "MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("reply", [None, b"", b"nonsense\r\n"])
async def test_trouble_before_the_message_is_not_sent(
    world: ScriptedServer, word: str, reply: bytes | None
) -> None:
    world.replies = {word: reply, "HELO": reply}
    async with world.provider(call_timeout=0.3 if reply == b"" else 10) as provider:
        answer = await provider.send(job_for(Channel.EMAIL))
    assert isinstance(answer, NotSent)
    assert world.messages == []


async def test_smtputf8_is_used_where_offered_and_missed_where_not(world: ScriptedServer) -> None:
    async with world.provider() as provider:
        assert isinstance(
            await provider.send(job_for(Channel.EMAIL, address="zoë@xn--bcher-kva.example")), Accepted
        )
    assert "MAIL FROM:<shop@example.com> SMTPUTF8 BODY=8BITMIME" in world.commands
    assert "RCPT TO:<zoë@xn--bcher-kva.example>" in world.commands
    world.extensions.remove("SMTPUTF8")
    async with world.provider() as provider:
        answer = await provider.send(job_for(Channel.EMAIL, address="zoë@xn--bcher-kva.example"))
    assert isinstance(answer, Rejected)
    assert answer.reason is Reason.ADDRESS_INVALID


async def test_a_mail_beyond_the_servers_size_is_rejected_unsent(world: ScriptedServer) -> None:
    world.extensions[0] = "SIZE 1000"
    content = EmailContent(subject="Long", text="x" * 2000)
    async with world.provider() as provider:
        answer = await provider.send(job_for(Channel.EMAIL, content=content))
        assert isinstance(answer, Rejected)
        assert answer.reason is Reason.TOO_LARGE
        assert isinstance(await provider.send(job_for(Channel.EMAIL)), Accepted)
    assert world.connections == 1


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"address": "ada@example.org\r\nRCPT TO:<eve@example.org>"}, Reason.ADDRESS_INVALID),
        ({"address": "ada"}, Reason.ADDRESS_INVALID),
        ({"sender": None}, Reason.SENDER_MISSING),
        ({"content": EmailContent(subject="empty")}, Reason.CONTENT_REFUSED),
        ({"unsubscribe_url": "https://example.com/>\r\nBcc: eve@example.org"}, Reason.CONTENT_REFUSED),
    ],
)
async def test_jobs_that_make_no_mail_are_rejected_without_a_connection(
    world: ScriptedServer, fields: dict[str, object], reason: Reason
) -> None:
    async with world.provider() as provider:
        answer = await provider.send(job_for(Channel.EMAIL, **fields))
    assert isinstance(answer, Rejected)
    assert answer.reason is reason
    assert world.connections == 0


async def test_a_sender_identity_without_a_mail_address_is_named_in_the_detail(world: ScriptedServer) -> None:
    async with world.provider() as provider:
        answer = await provider.send(job_for(Channel.EMAIL, sender=SenderIdentity(address="shop")))
    detail = "Sender identity: the address is not in its canonical form."
    assert answer == Rejected(reason=Reason.CONTENT_REFUSED, detail=detail)


async def test_bounces_go_where_the_instance_says(world: ScriptedServer) -> None:
    async with world.provider(envelope_sender="bounces@example.net") as provider:
        assert isinstance(await provider.send(job_for(Channel.EMAIL)), Accepted)
    assert "MAIL FROM:<bounces@example.net>" in world.commands
    assert b"\r\nFrom: Shop <shop@example.com>\r\n" in world.messages[0]


async def test_bounces_of_each_mail_go_to_an_address_of_its_own(world: ScriptedServer) -> None:
    async with world.provider(envelope_sender="bounces@example.net", verp=True) as provider:
        assert isinstance(await provider.send(job_for(Channel.EMAIL)), Accepted)
    assert "MAIL FROM:<bounces+3b0f6c1e9d4b5a538e331f2a4cbb1d10@example.net>" in world.commands


async def test_what_receipts_need_goes_with_the_mail(world: ScriptedServer) -> None:
    refs = Refs([RefKey("1", "k" * 32)], channel=Channel.EMAIL, instance="primary")
    async with world.provider() as provider:
        assert isinstance(provider, SmtpProvider)
        provider.seal_ref = refs.seal
        assert isinstance(await provider.send(job_for(Channel.EMAIL)), Accepted)
    ref = whole_ref(message_from_bytes(world.messages[0])["X-Tocsin-Ref"])
    opened = refs.open(ref)
    assert opened is not None
    assert opened.delivery_id == job_for(Channel.EMAIL).delivery_id


async def test_a_server_that_does_not_greet_is_given_up_before_the_call_is(world: ScriptedServer) -> None:
    """So that another provider can be asked soon."""
    world.replies["GREETING"] = b""
    async with world.provider(call_timeout=20, connect_timeout=0.05) as provider:
        answer = await provider.send(job_for(Channel.EMAIL))
    assert isinstance(answer, NotSent)
    assert answer.reason is Reason.UNREACHABLE


async def test_a_call_has_a_span_that_tells_of_the_server_alone(
    world: ScriptedServer, spans: InMemorySpanExporter
) -> None:
    async with world.provider() as provider:
        await provider.send(job_for(Channel.EMAIL))  # not below a span: none of its own
        world.replies["RCPT"] = b"550 5.1.1 marked-address@example.org is unknown\r\n"
        with span("attempt", f"00-{'1' * 32}-{'2' * 16}-01"):
            await provider.send(job_for(Channel.EMAIL))
    call, attempt = spans.get_finished_spans()
    assert (call.name, call.kind.name, call.status.description) == ("SMTP", "CLIENT", "address_gone")
    assert call.parent is not None
    assert call.parent.span_id == attempt.context.span_id
    assert dict(call.attributes or {}) == {
        "network.protocol.name": "smtp",
        "server.address": "127.0.0.1",
        "server.port": world.port,
        "error.type": "address_gone",
    }
