"""A box as it moves, over a WebSocket: the events of the stream, each as one text frame."""

import asyncio
from contextlib import aclosing
from typing import Any, Final
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from tocsin.dispatch_inapp.event_stream import EXPIRED, BoxEvent, EventStreams
from tocsin.dispatch_inapp.streams_api import LARGEST, named_by_the_tenant
from tocsin.dispatch_inapp.tickets import Tickets
from tocsin.observability import get_logger, metrics
from tocsin.trust import TokenHolder
from tocsin.web import Fault, Problem, RecipientGate, codes

log = get_logger(__name__)

PATH: Final = "/v1/inbox/socket"
_MOST_PARAMETERS: Final = 10
_EXPIRED, _STOPPING, _FAILED = 4401, 1012, 1011
"""How it is closed: the token is over, the process stops (RFC 6455, registry: "service restart"), or something failed here."""


class BoxSocket:
    """An ASGI application for one path. What is refused is answered as a problem, before there is a socket."""

    def __init__(self, *, streams: EventStreams, tickets: Tickets, gate: RecipientGate, service: str) -> None:
        self._streams = streams
        self._tickets = tickets
        self._gate = gate
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        await receive()  # it asks to be let in
        try:
            holder, after = await self._let_in(scope)
        except Problem as problem:
            self._count(problem.code.status)
            await _answer(problem, send)
            return
        self._count(101)
        await send({"type": "websocket.accept"})
        telling = asyncio.create_task(self._tell(holder, after, send))
        leaving = asyncio.create_task(_gone(receive))
        done, _ = await asyncio.wait({telling, leaving}, return_when=asyncio.FIRST_COMPLETED)
        for task in (telling, leaving):
            task.cancel()
        await asyncio.gather(telling, leaving, return_exceptions=True)
        if leaving not in done:
            await send({"type": "websocket.close", "code": _end_of(telling)})

    async def _let_in(self, scope: Scope) -> tuple[TokenHolder, int | None]:
        try:
            query = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=_MOST_PARAMETERS)
        except ValueError:
            raise Problem(codes.INVALID_REQUEST, "Give `ticket` and, if you like, `after`.") from None
        holder = self._tickets.holder(query.get("ticket", [""])[0])
        await named_by_the_tenant(self._gate, Headers(scope=scope).get("origin"), holder, scope)
        return holder, _after(query.get("after"))

    async def _tell(self, holder: TokenHolder, after: int | None, send: Send) -> int:
        """Until the stream ends; the code with which it is to be closed. A ping of the protocol says that we are there."""
        last: BoxEvent | None = None
        async with aclosing(self._streams.events(holder, after=after)) as events:
            async for event in events:
                if event is not None:
                    await send({"type": "websocket.send", "text": _frame(event)})
                    last = event
        return _EXPIRED if last is EXPIRED else _STOPPING

    def _count(self, status: int) -> None:
        metrics.http_requests.labels(self._service, "GET", PATH, str(status)).inc()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "websocket.disconnect":
        pass


def _end_of(telling: asyncio.Task[int]) -> int:
    error = telling.exception()
    if error is None:
        return telling.result()
    log.error("a socket of an inbox failed", reason=type(error).__name__)
    return _FAILED


def _frame(event: BoxEvent) -> str:
    """`{"event": "item", "id": 42, "data": {…}}`; the data are JSON already."""
    number = "" if event.id is None else f'"id":{event.id},'
    return f'{{"event":"{event.name}",{number}"data":{event.data}}}'


def _after(given: list[str] | None) -> int | None:
    if given is None:
        return None
    text = given[0]
    if not (text.isascii() and text.isdigit() and len(text) < 20) or int(text) > LARGEST:
        fault = Fault(pointer="query:after", code="number_invalid", detail="Not the number of an item")
        raise Problem(codes.INVALID_REQUEST, "`after` is the number of an item.", errors=[fault])
    return int(text)


async def _answer(problem: Problem, send: Send) -> None:
    response: Any = problem.response()
    start = {"status": response.status_code, "headers": response.raw_headers}
    await send({"type": "websocket.http.response.start", **start})
    await send({"type": "websocket.http.response.body", "body": response.body})
