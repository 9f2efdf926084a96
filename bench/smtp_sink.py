"""A mail server that takes everything and remembers which message came when: the end of the measured path.

`python bench/smtp_sink.py PORT CONTROL_PORT [TEMPER]` runs until it is ended. It speaks as much ESMTP as a client needs,
pipelining included, and looks at nothing of a mail but one header, so that it costs as little as possible. A mail without that
header is known by its recipient.
"""

import asyncio
import socket
from typing import cast

from caught import Caught, Temper, main

ID_HEADER = b"X-Tocsin-Notification: "
END_OF_MAIL = b"\r\n.\r\n"
GREETING = b"220 sink ESMTP\r\n"
EXTENSIONS = b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE 10485760\r\n"
OK = b"250 ok\r\n"
GO_ON = b"354 go on\r\n"
TAKEN = b"250 taken\r\n"
LATER = b"451 4.3.0 try again\r\n"


class Session(asyncio.Protocol):
    """One client."""

    def __init__(self, caught: Caught, temper: Temper, refused: set[bytes]) -> None:
        self._caught = caught
        self._temper = None if temper.even else temper
        self._refused = refused
        self._held = b""
        self._in_mail = False
        self._recipient = b""
        self._late = False
        """An answer waits; what comes meanwhile is held."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._socket: socket.socket = transport.get_extra_info("socket")
        self._transport.write(GREETING)

    def data_received(self, data: bytes) -> None:
        self._held = self._held + data if self._held else data
        if not self._late:
            self._answer()
        if self._in_mail and self._held:
            # Some clients write a mail in pieces, and the next one waits until this one is acknowledged: by itself the kernel
            # would do that after 40 ms.
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def _answer(self) -> None:
        """Everything whole that is held, with one write."""
        answers = b""
        while not self._late and (answer := self._next()) is not None:
            answers += answer
        if answers:
            self._transport.write(answers)

    def _next(self) -> bytes | None:
        """The answer to the next whole thing in the buffer; None when there is none."""
        if self._in_mail:
            return self._mail()
        line, end, rest = self._held.partition(b"\r\n")
        if not end:
            return None
        self._held = rest
        verb = line[:4].upper()
        if verb == b"RCPT":
            self._recipient = line.partition(b"<")[2].partition(b">")[0]
        elif verb == b"DATA":
            self._in_mail = True
            return GO_ON
        elif verb == b"EHLO":
            return EXTENSIONS
        elif verb == b"QUIT":
            self._transport.write(b"221 bye\r\n")
            self._transport.close()
            return None
        return OK

    def _mail(self) -> bytes | None:
        mail, end, rest = self._held.partition(END_OF_MAIL)
        if not end:
            return None
        self._held, self._in_mail = rest, False
        at = mail.find(ID_HEADER)
        message_id = mail[at + len(ID_HEADER) : mail.find(b"\r\n", at)] if at >= 0 else self._recipient
        if self._temper is not None:
            return self._as_it_likes(self._temper, message_id)
        self._caught.add(message_id)
        return TAKEN

    def _as_it_likes(self, temper: Temper, message_id: bytes) -> bytes:
        if temper.refuses(self._recipient) and message_id not in self._refused:
            self._refused.add(message_id)
            return LATER
        if temper.slow(self._recipient):
            self._late = True
            asyncio.get_running_loop().call_later(temper.slow_seconds, self._at_last, message_id)
            return b""
        self._caught.add(message_id)
        return TAKEN

    def _at_last(self, message_id: bytes) -> None:
        self._caught.add(message_id)
        self._late = False
        self._transport.write(TAKEN)
        self._answer()


if __name__ == "__main__":
    refused_once: set[bytes] = set()
    main(lambda caught, temper: Session(caught, temper, refused_once))
