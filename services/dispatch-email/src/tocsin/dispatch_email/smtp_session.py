"""Mails one after another over an open SMTP connection: a state machine that the server's replies drive.

    MAIL ─▶ RCPT ─▶ DATA ─▶ the message ─▶ the answer        a refusal at any of these ─▶ RSET ─▶ the answer

Where the server offers PIPELINING (RFC 2920), the first three are written at once. Nothing is awaited between two replies: only the
one who hands a mail over waits, once. Measured, a mail costs 25 µs this way, and 65 µs with a coroutine that awaits each reply.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from tocsin.channel import Accepted, Answer, Rejected
from tocsin.contracts.vocabulary import Reason
from tocsin.dispatch_email.smtp_replies import NO_REPLY, Step, accepted, lost, read, refused
from tocsin.runtime.lazy_deadline import LazyDeadline

_LONGEST = 32 * 1024
"""More than any reply; a server that goes on without one is cut off."""
_LONGEST_SIZE = 20
"""Digits; of a longer SIZE nothing is believed (RFC 1870 allows twenty)."""
_NEXT = {Step.MAIL: Step.RCPT, Step.RCPT: Step.DATA, Step.DATA: Step.MESSAGE}


@dataclass(slots=True, kw_only=True)
class Envelope:
    """One mail for one recipient, as bytes; lines end in CRLF, dots are not stuffed."""

    sender: bytes
    recipient: bytes
    international: bool
    message: bytes


class SmtpSession(asyncio.Protocol):
    """Takes the transport over from whoever connected. After each answer, `reusable` says whether it can take another mail, and `step`
    where that mail stood.

    Nothing here raises for what the server does.
    """

    def __init__(
        self, transport: asyncio.Transport, *, extensions: Mapping[str, str], opened_at: float
    ) -> None:
        self.opened_at = opened_at
        self.used_at = opened_at
        self.mails = 0
        self.step = Step.MAIL
        self.reusable = False
        self._transport = transport
        self._pipelining = "pipelining" in extensions
        self._smtputf8 = "smtputf8" in extensions
        size = extensions.get("size", "")
        self._max_message_bytes = int(size) if size.isdecimal() and len(size) <= _LONGEST_SIZE else 0
        self._rest = b""
        """Of a line that has not come whole."""
        self._texts: list[bytes] = []
        """Of a reply that has not come whole."""
        self._reply_bytes = 0
        self._awaited: deque[Step | None] = deque()
        """What replies are to come; None: to RSET."""
        self._unasked = False
        """Whether a reply came that nobody had asked for, such as a farewell."""
        self._in_step = True
        """Whether it is certain which reply belongs to which command."""
        self._envelope: Envelope | None = None
        self._outcome: Answer | None = None
        """What the answer will be, once the replies that are still to come are here."""
        self._answer: asyncio.Future[Answer] | None = None
        self._deadline = LazyDeadline(self._too_late)
        self._lost = transport.is_closing()
        transport.set_protocol(self)

    @property
    def quiet(self) -> bool:
        """Open, and the server has not said anything since the last mail, such as that it will close."""
        return not (self._unasked or self._rest or self._texts or self._lost or self._transport.is_closing())

    def hand_over(self, envelope: Envelope, *, until: float) -> "asyncio.Future[Answer]":
        """Begin to hand one mail over. The answer comes by `until` (the event loop's time), whatever the server does."""
        loop = asyncio.get_running_loop()
        answer = self._answer = loop.create_future()
        self.step, self.reusable, self._outcome = Step.MAIL, False, None
        if (instead := self._cannot_carry(envelope)) is not None:
            self._end(instead, reusable=self.quiet)
        elif self._lost or self._transport.is_closing():
            self._end(lost(Step.MAIL))
        else:
            self._envelope = envelope
            self._deadline.set(until)
            steps = (Step.MAIL, Step.RCPT, Step.DATA) if self._pipelining else (Step.MAIL,)
            self._awaited.extend(steps)
            self._transport.write(b"".join([_command(step, envelope) for step in steps]))
        return answer

    def close(self) -> None:
        """Drop the connection; what is under way there is given up."""
        self.reusable = False
        self._deadline.end()
        if self._awaited:
            self._transport.abort()  # what the server does not read would keep it open
        else:
            self._transport.close()

    async def quit(self) -> None:
        """Take leave as SMTP wants it, then close."""
        try:
            if self.quiet:
                answer = self._answer = asyncio.get_running_loop().create_future()
                self._deadline.set(asyncio.get_running_loop().time() + 1.0)
                self._awaited.append(None)
                self._outcome = Accepted()
                self._transport.write(b"QUIT\r\n")
                await answer
        finally:
            self.close()

    # What the transport calls

    def data_received(self, data: bytes) -> None:
        """Cut into lines, lines into replies."""
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            self._line(line)
        if len(self._rest) + self._reply_bytes > _LONGEST:
            self._transport.abort()

    def connection_lost(self, _error: Exception | None) -> None:
        """What is under way ends."""
        self._lost = True
        self._give_up()

    # Replies

    def _line(self, line: bytes) -> None:
        number = line[:3]
        if len(number) == 3 and number.isdigit():
            self._texts.append(line[4:])
            self._reply_bytes += len(line)
            if line[3:4] == b"-":
                return
            self._replied(int(number))
        else:
            self._replied(0)
        self._texts.clear()
        self._reply_bytes = 0

    def _replied(self, number: int) -> None:
        """A reply is here; 0: what came was none."""
        if not self._awaited:
            self._unasked = True
            return
        step = self._awaited.popleft()
        if not number:
            self._in_step = False
        if step is None:
            if self._outcome is not None:
                self._end(self._outcome, reusable=number == 250)
            return
        if self._outcome is None:
            if number == 354 if step is Step.DATA else number // 100 == 2 and step is not Step.MESSAGE:
                self._go_on(_NEXT[step])
                return
            self._outcome = self._answer_to(step, number)
        if number == 354:
            # It wants a message without a recipient (RFC 2920 3.1). The dot that ends it could, with a server that
            # means something else, send an empty mail; closing cannot.
            self._in_step = False
        if not self._awaited:  # else the replies to what was written at once are read, so that none is taken for one to the next mail
            self._conclude(self._outcome)

    def _answer_to(self, step: Step, number: int) -> Answer:
        """What the reply means that ends the mail at this step."""
        text = b"\n".join([line.strip() for line in self._texts]).decode("utf-8", "replace")
        reply = read(number, text) if number else NO_REPLY
        return accepted(reply) if step is Step.MESSAGE and number // 100 == 2 else refused(step, reply)

    def _go_on(self, step: Step) -> None:
        self.step = step
        if self._envelope is not None and (step is Step.MESSAGE or not self._pipelining):
            self._awaited.append(step)
            self._transport.write(_command(step, self._envelope))

    def _conclude(self, outcome: Answer) -> None:
        """All replies are here. After a refusal the mail is forgotten, so that the connection can take the next."""
        self.mails += 1
        if not self._in_step or (outcome.code or "").startswith("421"):
            self._end(outcome)
        elif isinstance(outcome, Accepted):
            self._end(outcome, reusable=True)
        else:
            self._awaited.append(None)
            self._transport.write(b"RSET\r\n")

    # The end

    def _end(self, answer: Answer, *, reusable: bool = False) -> None:
        self.reusable = reusable
        self._envelope = None
        self._deadline.clear()
        waiting, self._answer = self._answer, None
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def _too_late(self) -> None:
        self._give_up()
        self.close()

    def _give_up(self) -> None:
        """Nothing more comes. What the server has said stands."""
        if self._answer is not None:
            self._end(self._outcome or lost(self.step))

    def _cannot_carry(self, envelope: Envelope) -> Answer | None:
        """What can be known before a word is said; the connection stays as it is."""
        if envelope.international and not self._smtputf8:
            detail = "The address needs SMTPUTF8, which the server does not offer."
            return Rejected(reason=Reason.ADDRESS_INVALID, detail=detail)
        if 0 < self._max_message_bytes < len(envelope.message):
            return Rejected(reason=Reason.TOO_LARGE, detail="The mail is larger than the server takes.")
        return None


def _command(step: Step, envelope: Envelope) -> bytes:
    match step:
        case Step.MAIL:
            options = b" SMTPUTF8 BODY=8BITMIME" if envelope.international else b""
            return b"MAIL FROM:<%b>%b\r\n" % (envelope.sender, options)
        case Step.RCPT:
            return b"RCPT TO:<%b>\r\n" % envelope.recipient
        case Step.DATA:
            return b"DATA\r\n"
        case _:
            # A mail begins with a header, so only a dot after a line end can stand at the start of a line (RFC 5321 4.5.2).
            return envelope.message.replace(b"\r\n.", b"\r\n..") + b".\r\n"
