"""Twilio's Messages API, FCM's HTTP v1, Google's token endpoint and SendGrid's Mail Send, as much of them as the adapters read."""

import asyncio
import itertools
from collections.abc import Callable, Mapping
from typing import cast
from urllib.parse import parse_qs

import msgspec
from aiohttp import web

from sinks.behaviour import Behaviour, Kind
from sinks.far_end import FarEnd
from sinks.journal import Message, probe_in

_numbers = itertools.count(1)
_PAGE = "<html><body>Welcome to the portal</body></html>"


class _Notification(msgspec.Struct):
    body: str = ""


class _PushMessage(msgspec.Struct):
    notification: _Notification
    data: dict[str, str] = {}


class _PushRequest(msgspec.Struct):
    message: _PushMessage


_read_push = msgspec.json.Decoder(_PushRequest).decode


def read_sms(body: bytes, headers: Mapping[str, str]) -> Message | None:
    """What a request to Twilio carries."""
    text = parse_qs(body).get(b"Body", [b""])[0]
    probe = probe_in(text)
    if probe is None:
        return None
    return Message(probe=probe, delivery=headers.get("X-Tocsin-Delivery", ""))


def read_push(body: bytes, headers: Mapping[str, str]) -> Message | None:  # noqa: ARG001 - as `read_sms`
    """What a request to FCM carries."""
    message = _read_push(body).message
    probe = probe_in(message.notification.body.encode())
    if probe is None:
        return None
    return Message(probe=probe, delivery=message.data.get("tocsin_delivery", ""))


class _Part(msgspec.Struct):
    value: str


class _MailSend(msgspec.Struct):
    content: list[_Part]
    headers: dict[str, str] = {}


_read_mail_send = msgspec.json.Decoder(_MailSend).decode


def read_sendgrid(body: bytes, headers: Mapping[str, str]) -> Message | None:  # noqa: ARG001 - as `read_sms`
    """What a request to SendGrid's Mail Send carries; its Message-ID begins with the delivery's id."""
    mail = _read_mail_send(body)
    probe = probe_in("\n".join(part.value for part in mail.content).encode())
    if probe is None:
        return None
    return Message(probe=probe, delivery=mail.headers.get("Message-ID", "").strip("<>").partition("@")[0])


def _sms_taken(request: web.BaseRequest) -> web.Response:  # noqa: ARG001 - as `_push_taken`
    return web.json_response({"sid": f"SM{next(_numbers):032x}", "status": "queued"}, status=201)


def _push_taken(request: web.BaseRequest) -> web.Response:
    messages = request.path.removeprefix("/v1/").removesuffix(":send")
    return web.json_response({"name": f"{messages}/{next(_numbers)}"})


def _mail_taken(request: web.BaseRequest) -> web.Response:  # noqa: ARG001 - as `_push_taken`
    return web.Response(status=202, headers={"X-Message-Id": f"sink-{next(_numbers)}"})


_READS: dict[str, Callable[[bytes, Mapping[str, str]], Message | None]] = {
    "sms": read_sms,
    "push": read_push,
    "sendgrid": read_sendgrid,
}
_TAKEN: dict[str, Callable[[web.BaseRequest], web.Response]] = {
    "sms": _sms_taken,
    "push": _push_taken,
    "sendgrid": _mail_taken,
}


class HttpEnd:
    """Answers requests to one far end, as the API of this `kind`. A request for an access token is always granted."""

    def __init__(self, end: FarEnd, kind: str) -> None:
        self._end = end
        self._read = _READS[kind]
        self._taken = _TAKEN[kind]
        self._server = web.Server(self._handle, access_log=None, handler_cancellation=True)

    def session(self) -> asyncio.Protocol:
        """Serves one connection."""
        return _Counted(self._end, self._server())

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/token":
            return web.json_response({"access_token": "token", "expires_in": 3599, "token_type": "Bearer"})
        message = self._read(await request.read(), request.headers)
        behaviour = self._end.behaviour_with(message)
        if behaviour.kind is Kind.GOOD:
            self._end.take(message)
            return self._taken(request)
        self._end.call(message and message.probe, str(behaviour.code or behaviour.kind))
        if behaviour.kind in {Kind.SLOW, Kind.DRIP, Kind.RESET_TAKEN, Kind.CLOSE_NEW}:
            self._end.take(message, ambiguous=behaviour.kind is Kind.RESET_TAKEN)
        return await self._troubled(request, behaviour)

    async def _troubled(self, request: web.BaseRequest, behaviour: Behaviour) -> web.StreamResponse:
        match behaviour.kind:
            case Kind.REFUSE:
                pause = {"Retry-After": f"{behaviour.seconds:.0f}"} if behaviour.seconds else {}
                return web.json_response({}, status=behaviour.code, headers=pause)
            case Kind.NONSENSE:
                return web.Response(text=_PAGE, content_type="text/html")
            case Kind.MUTE:
                await asyncio.Event().wait()
            case Kind.SLOW:
                await asyncio.sleep(behaviour.seconds)
            case Kind.RESET_TAKEN | Kind.RESET_LOST:
                if request.transport is not None:
                    request.transport.abort()
            case Kind.DRIP:
                return await self._drip(request, behaviour.seconds)
        return self._taken(request)

    async def _drip(self, request: web.BaseRequest, pause: float) -> web.StreamResponse:
        answer = self._taken(request)
        dripping = web.StreamResponse(status=answer.status, headers={"Content-Type": "application/json"})
        await dripping.prepare(request)
        for byte in bytes(answer.body or b""):  # type: ignore[arg-type]  # it is bytes: `json_response` made it
            await dripping.write(bytes([byte]))
            await asyncio.sleep(pause)
        return dripping


class _Counted(asyncio.Protocol):
    """aiohttp's protocol for one connection, known to the far end while it is open."""

    def __init__(self, end: FarEnd, inner: web.RequestHandler) -> None:
        self._end = end
        self._inner = inner

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._end.sessions[self] = cast("asyncio.Transport", transport)  # uvloop's is none by name
        self._inner.connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._end.sessions.pop(self, None)
        self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._inner.data_received(data)

    def eof_received(self) -> None:
        self._inner.eof_received()

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()
