"""A mail server: as much ESMTP as a client needs, pipelining included, and every trouble on demand."""

import asyncio
import re
from typing import cast

from sinks.behaviour import Behaviour, Kind, Step
from sinks.far_end import FarEnd
from sinks.journal import Message, probe_in

_END_OF_MAIL = b"\r\n.\r\n"
_EXTENSIONS = b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE 10485760\r\n"
_DELIVERY = re.compile(rb"\r\nMessage-ID: <([^@>]+)@")
_ADDRESS = re.compile(rb"TO:<([^>]*)>", re.IGNORECASE)
_OK = b"250 2.0.0 ok\r\n"


def read_mail(mail: bytes) -> Message | None:
    """What a mail carries; its Message-ID begins with the delivery's id."""
    probe = probe_in(mail.replace(b"=\r\n", b""))  # quoted-printable's soft line ends
    if probe is None:
        return None
    matched = _DELIVERY.search(mail)
    return Message(probe=probe, delivery=matched.group(1).decode("ascii", "replace") if matched else "")


class SmtpSession(asyncio.Protocol):
    """One client."""

    def __init__(self, end: FarEnd) -> None:
        self._end = end
        self._held = bytearray()
        self._begun = False
        """A MAIL was welcome."""
        self._in_mail = False
        self._recipient: str | None = None
        self._mute = False
        self._dripping: asyncio.Task[None] | None = None
        self._to_drip = bytearray()
        self._waiting = 0
        """Replies that come later: what the client says meanwhile waits."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._end.sessions[self] = self._transport
        self._answer(Step.CONNECT, b"220 sink ESMTP\r\n")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        self._end.sessions.pop(self, None)
        if self._dripping is not None:
            self._dripping.cancel()

    def data_received(self, data: bytes) -> None:
        self._held += data
        self._go_on()

    def _go_on(self) -> None:
        while not self._waiting and not self._mute and not self._transport.is_closing():
            if not (self._mail() if self._in_mail else self._command()):
                return

    def _command(self) -> bool:
        """Whether there was one."""
        end = self._held.find(b"\r\n")
        if end < 0:
            return False
        line = bytes(self._held[:end])
        del self._held[: end + 2]
        match line[:4].upper():
            case b"EHLO":
                self._say(_EXTENSIONS)
            case b"MAIL":
                self._recipient = None
                self._begun = self._answer(Step.MAIL, _OK)
            case b"RCPT" if not self._begun:
                self._say(b"503 5.5.1 no sender\r\n")
            case b"RCPT":
                matched = _ADDRESS.search(line)
                address = matched.group(1).decode("ascii", "replace") if matched else ""
                self._recipient = address if self._answer(Step.RCPT, _OK, address) else None
            case b"DATA":
                self._data()
            case b"QUIT":
                self._say(b"221 bye\r\n")
                self._transport.close()
            case _:
                self._say(b"250 ok\r\n")
        return True

    def _data(self) -> None:
        self._in_mail = self._recipient is not None
        self._say(b"354 go on\r\n" if self._in_mail else b"554 5.5.1 no valid recipients\r\n")

    def _answer(self, step: Step, friendly: bytes, recipient: str | None = None) -> bool:
        """Reply at a step before the message; False when trouble stands there instead."""
        behaviour = self._end.behaviour_for(recipient=recipient)
        if behaviour.kind is Kind.DRIP and step is Step.MAIL:
            self._end.call(recipient, str(behaviour.kind))
        if behaviour.step is not step or behaviour.kind not in {Kind.REFUSE, Kind.MUTE}:
            self._say(friendly)
            return True
        self._end.call(recipient, str(behaviour.code or behaviour.kind))
        if behaviour.kind is Kind.MUTE:
            self._mute = True
        else:
            self._refuse(behaviour)
        return False

    def _refuse(self, behaviour: Behaviour) -> None:
        enhanced = behaviour.enhanced or f"{behaviour.code // 100}.3.0"
        self._say(f"{behaviour.code} {enhanced} not now\r\n".encode())
        if behaviour.code == 421:
            self._transport.close()

    def _mail(self) -> bool:
        """Whether a whole one was there."""
        end = self._held.find(_END_OF_MAIL)
        if end < 0:
            return False
        message = read_mail(bytes(self._held[:end]))
        del self._held[: end + len(_END_OF_MAIL)]
        self._in_mail = False
        self._message(message, self._end.behaviour_with(message))
        return True

    def _message(self, message: Message | None, behaviour: Behaviour) -> None:
        kind, probe = behaviour.kind, message and message.probe
        troubled = behaviour.step is Step.MESSAGE and kind in {Kind.REFUSE, Kind.MUTE}
        if troubled or kind in {Kind.SLOW, Kind.RESET_TAKEN, Kind.RESET_LOST}:
            self._end.call(probe, str(behaviour.code or kind))
        if not troubled and kind is not Kind.RESET_LOST:
            self._end.take(message, ambiguous=kind is Kind.RESET_TAKEN)
        if troubled and kind is Kind.MUTE:
            self._mute = True
        elif troubled:
            self._refuse(behaviour)
        elif kind in {Kind.RESET_TAKEN, Kind.RESET_LOST}:
            self._transport.abort()
        elif kind is Kind.SLOW:
            self._waiting += 1
            asyncio.get_running_loop().call_later(behaviour.seconds, self._late, b"250 2.0.0 taken\r\n")
        else:
            self._say(b"250 2.0.0 taken\r\n")

    def _late(self, reply: bytes) -> None:
        self._waiting -= 1
        if not self._transport.is_closing():
            self._say(reply)
            self._go_on()

    def _say(self, reply: bytes) -> None:
        pause = self._end.behaviour.seconds if self._end.behaviour.kind is Kind.DRIP else 0.0
        if not pause and self._dripping is None:
            self._transport.write(reply)
            return
        self._to_drip += reply
        if self._dripping is None:
            self._dripping = asyncio.create_task(self._drip(pause))

    async def _drip(self, pause: float) -> None:
        while self._to_drip:
            self._transport.write(bytes(self._to_drip[:1]))
            del self._to_drip[:1]
            await asyncio.sleep(pause)
        self._dripping = None
