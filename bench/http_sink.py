"""Twilio and FCM as far as a sender needs them, on one port: takes everything and remembers which message came when.

`python bench/http_sink.py PORT CONTROL_PORT [TEMPER]` runs until it is ended. A message is known by the header or the data that names its
notification. `POST /token` grants an access token.
"""

import asyncio
import re
from typing import cast

from caught import Caught, main

# Of SMS it is a header, of push a field of the data.
_ID = re.compile(rb'(?i:x-tocsin-notification: |"tocsin_notification":")([0-9a-f-]{36})').search


def _response(status: bytes, body: bytes) -> bytes:
    head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (
        status,
        len(body),
    )
    return head + body


TOKEN = _response(b"200 OK", b'{"access_token":"t","expires_in":3600,"token_type":"Bearer"}')
SMS = _response(b"201 Created", b'{"sid":"SM00000000000000000000000000000001","status":"queued"}')
PUSH = _response(b"200 OK", b'{"name":"projects/bench/messages/1"}')


class Session(asyncio.Protocol):
    """One client. It answers everybody alike."""

    def __init__(self, caught: Caught) -> None:
        self._caught = caught
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._held += data
        while (request := self._next()) is not None:
            self._transport.write(self._taken(request))

    def _next(self) -> bytes | None:
        head, gap, body = self._held.partition(b"\r\n\r\n")
        if not gap:
            return None
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
        if len(body) < length:
            return None
        whole = len(head) + len(gap) + length
        request, self._held = self._held[:whole], self._held[whole:]
        return request

    def _taken(self, request: bytes) -> bytes:
        if request.startswith(b"POST /token "):
            return TOKEN
        named = _ID(request)
        self._caught.add(named[1] if named else b"unnamed")
        return SMS if b"/Messages.json" in request[:200] else PUSH


if __name__ == "__main__":
    main(lambda caught, _: Session(caught))
