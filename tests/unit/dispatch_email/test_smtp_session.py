"""The state machine of a hand-over, reply by reply: however they are cut, wherever the connection ends."""

import asyncio
from typing import Any, cast

import pytest

from tocsin.channel import Accepted, Ambiguous, Answer, NotSent, Rejected, Throttled
from tocsin.contracts.vocabulary import Reason
from tocsin.dispatch_email.smtp_replies import Step
from tocsin.dispatch_email.smtp_session import Envelope, SmtpSession

ENVELOPE = Envelope(
    sender=b"shop@example.com",
    recipient=b"ada@example.org",
    international=False,
    message=b"Subject: x\r\n\r\n.dot\r\n",
)
ANNOUNCED = [b"MAIL FROM:<shop@example.com>\r\n", b"RCPT TO:<ada@example.org>\r\n", b"DATA\r\n"]
MESSAGE = b"Subject: x\r\n\r\n..dot\r\n.\r\n"
FAR_AWAY = 3600.0


class Wire:
    """A transport that remembers what was written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = ""

    def set_protocol(self, _protocol: object) -> None:
        """Nothing to do."""

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.written.append(data)

    def is_closing(self) -> bool:
        return bool(self.closed)

    def close(self) -> None:
        self.closed = self.closed or "closed"

    def abort(self) -> None:
        self.closed = "aborted"


class Conversation:
    """One session, and one mail under way on it."""

    def __init__(self, *, pipelining: bool = True, seconds: float = FAR_AWAY, **extensions: str) -> None:
        self.wire = Wire()
        names = extensions | ({"pipelining": ""} if pipelining else {})
        self.session = SmtpSession(cast("Any", self.wire), extensions=names, opened_at=0.0)
        self.answer = self.begin(seconds=seconds)

    def begin(self, *, seconds: float = FAR_AWAY) -> "asyncio.Future[Answer]":
        return self.session.hand_over(ENVELOPE, until=asyncio.get_running_loop().time() + seconds)

    def hear(self, *replies: bytes) -> None:
        for reply in replies:
            self.session.data_received(reply)

    def result(self) -> tuple[Answer, bool]:
        return self.answer.result(), self.session.reusable


OK, GO, TAKEN = b"250 2.1.0 fine\r\n", b"354 go ahead\r\n", b"250 2.0.0 Ok: queued as 4F2A1B\r\n"
LONG = b"250-2.1.0 first\r\n250-\r\n250 2.1.0 last\r\n"
SENT = (Accepted(message_id="4F2A1B", code="250 2.0.0"), True)
NO_USER = b"550 5.1.1 <ada@example.org> unknown\r\n"
REFUSED = Rejected(
    reason=Reason.ADDRESS_GONE,
    code="550 5.1.1",
    detail="The server says that this address does not exist, or no longer.",
)
FAREWELL = b"421 4.3.2 shutting down\r\n"
CASES: list[tuple[list[bytes], Answer, bool]] = [
    ([OK, OK, GO, TAKEN], *SENT),
    ([LONG, LONG, b"354-go\r\n354 on\r\n", LONG], Accepted(code="250 2.1.0"), True),
    ([OK, NO_USER, b"554 5.5.1 no valid recipients\r\n", OK], REFUSED, True),
    ([OK, NO_USER, b"554 5.5.1 no valid recipients\r\n", b"502 what?\r\n"], REFUSED, False),
    ([OK, NO_USER, GO], REFUSED, False),
    ([OK, OK, GO, b"554 5.7.1 spam\r\n", OK],
     Rejected(reason=Reason.CONTENT_REFUSED, code="554 5.7.1", detail="The server refused the message after the message."), True),
    ([FAREWELL, FAREWELL, FAREWELL],
     Throttled(code="421 4.3.2", detail="The server put the message off at the sender."), False),
    ([OK, OK, GO, FAREWELL],
     Throttled(code="421 4.3.2", detail="The server put the message off after the message."), False),
    ([OK, OK, b"250 surprise\r\n", OK],
     NotSent(reason=Reason.PROVIDER_ERROR, code="250", detail="The server's reply before the message was none that SMTP knows."), True),
    ([b"nonsense\r\n", OK, OK],
     NotSent(reason=Reason.PROVIDER_ERROR, detail="The server's reply at the sender was none that SMTP knows."), False),
    ([OK, OK, GO, b"HTTP/1.1 400\r\n"],
     Ambiguous(reason=Reason.PROVIDER_ERROR, detail="The server's reply after the message was none that SMTP knows."), False),
]  # fmt: skip


@pytest.mark.parametrize(("replies", "answer", "reusable"), CASES)
async def test_answers(replies: list[bytes], answer: Answer, reusable: bool) -> None:
    talk = Conversation()
    talk.hear(*replies)
    assert talk.result() == (answer, reusable)


@pytest.mark.parametrize(("replies", "answer", "reusable"), CASES)
async def test_replies_cut_at_each_byte(replies: list[bytes], answer: Answer, reusable: bool) -> None:
    stream = b"".join(replies)
    for cut in range(1, len(stream)):
        talk = Conversation()
        talk.hear(stream[:cut], stream[cut:])
        assert talk.result() == (answer, reusable), cut
    crumbs = Conversation()
    crumbs.hear(*(stream[at : at + 1] for at in range(len(stream))))
    assert crumbs.result() == (answer, reusable)


@pytest.mark.parametrize("size", ["0", "", "ten", "9" * 5000, "-1"])
async def test_a_size_that_says_nothing_refuses_nothing(size: str) -> None:
    talk = Conversation(size=size)
    talk.hear(OK, OK, GO, TAKEN)
    assert talk.result() == SENT


async def test_what_is_written_at_once_and_what_one_by_one() -> None:
    at_once = Conversation()
    at_once.hear(OK, OK, GO)
    assert at_once.wire.written == [b"".join(ANNOUNCED), MESSAGE]
    singly = Conversation(pipelining=False)
    for said in range(3):
        assert singly.wire.written == ANNOUNCED[: said + 1]
        singly.hear((OK, OK, GO)[said])
    assert singly.wire.written == [*ANNOUNCED, MESSAGE]
    singly.hear(TAKEN)
    assert singly.result() == SENT


async def test_one_by_one_nothing_follows_a_refusal_but_rset() -> None:
    talk = Conversation(pipelining=False)
    talk.hear(OK, NO_USER)
    assert not talk.answer.done()
    assert talk.wire.written == [*ANNOUNCED[:2], b"RSET\r\n"]
    talk.hear(OK)
    assert talk.result() == (REFUSED, True)


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("heard", range(4))
async def test_a_lost_connection_is_ambiguous_only_after_the_message(pipelining: bool, heard: int) -> None:
    talk = Conversation(pipelining=pipelining)
    talk.hear(*(OK, OK, GO)[:heard])
    talk.session.connection_lost(ConnectionResetError())
    answer, reusable = talk.result()
    assert not reusable
    assert isinstance(answer, Ambiguous if heard == 3 else NotSent)
    assert talk.session.step is (Step.MAIL, Step.RCPT, Step.DATA, Step.MESSAGE)[heard]


@pytest.mark.parametrize("heard", range(4))
async def test_a_silent_server_is_given_up_and_its_connection_dropped(heard: int) -> None:
    talk = Conversation(seconds=0.01)
    talk.hear(*(OK, OK, GO)[:heard])
    answer = await talk.answer
    assert isinstance(answer, Ambiguous if heard == 3 else NotSent)
    assert not talk.session.reusable
    assert talk.wire.closed == "aborted"


@pytest.mark.parametrize("how", ["lost", "silent"])
@pytest.mark.parametrize("replies", [(OK, NO_USER), (OK, NO_USER, b"503 no\r\n")])
async def test_a_refusal_stands_though_the_server_says_no_more(how: str, replies: tuple[bytes, ...]) -> None:
    """Also while what was written behind it, or RSET, is not answered."""
    talk = Conversation(seconds=0.01 if how == "silent" else FAR_AWAY)
    talk.hear(*replies)
    assert not talk.answer.done()
    if how == "lost":
        talk.session.connection_lost(None)
    assert await talk.answer == REFUSED
    assert not talk.session.reusable


async def test_a_deadline_is_each_mails_own() -> None:
    """Also the second's, which is nearer than the first's was."""
    talk = Conversation()
    talk.hear(OK, OK, GO, TAKEN)
    assert talk.result() == SENT
    second = talk.begin(seconds=0.01)
    assert isinstance(await second, NotSent)


async def test_a_mail_that_is_given_up_takes_its_connection_with_it() -> None:
    talk = Conversation()
    talk.hear(OK)
    talk.answer.cancel()
    talk.session.close()
    assert talk.wire.closed == "aborted"
    talk.session.connection_lost(None)
    assert not talk.session.quiet


async def test_what_nobody_asked_for_ends_the_quiet() -> None:
    talk = Conversation()
    talk.hear(OK, OK, GO, TAKEN)
    assert talk.session.quiet
    talk.hear(FAREWELL)
    assert not talk.session.quiet


async def test_half_a_line_that_nobody_asked_for_ends_the_quiet_too() -> None:
    talk = Conversation()
    talk.hear(OK, OK, GO, TAKEN)
    talk.hear(b"421")
    assert not talk.session.quiet


@pytest.mark.parametrize("flood", [b"250-" + b"x" * 40_000, b"250-\r\n" * 10_000])
async def test_a_reply_without_end_is_cut_off(flood: bytes) -> None:
    talk = Conversation()
    talk.hear(flood)
    assert talk.wire.closed == "aborted"


async def test_a_closed_connection_takes_nothing() -> None:
    talk = Conversation()
    talk.hear(OK, OK, GO, TAKEN)
    talk.wire.close()
    answer = await talk.begin()
    assert isinstance(answer, NotSent)
    assert talk.session.step is Step.MAIL
    assert len(talk.wire.written) == 2


async def test_leave_is_taken_within_a_second() -> None:
    talk = Conversation()
    talk.hear(OK, OK, GO, TAKEN)
    leaving = asyncio.create_task(talk.session.quit())
    await asyncio.sleep(0)
    assert talk.wire.written[-1] == b"QUIT\r\n"
    talk.hear(b"221 bye\r\n")
    await leaving
    assert talk.wire.closed == "closed"
