"""Tickets and the stream of server-sent events that they open (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Annotated, Final

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from starlette.types import Scope

from tocsin.dispatch_inapp.event_stream import BoxEvent, EventStreams
from tocsin.dispatch_inapp.tickets import LIFE, LONGEST, Tickets
from tocsin.trust import TokenHolder
from tocsin.web import Fault, Problem, RecipientCaller, RecipientGate, codes

LARGEST: Final = 2**63 - 1


class TicketBody(BaseModel):
    """What opens a stream."""

    ticket: str
    expires_in: int


def stream_routes(*, streams: EventStreams, tickets: Tickets) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["Inbox"])

    @router.post("/v1/inbox/tickets")
    async def make_ticket(holder: RecipientCaller) -> TicketBody:
        """A word that opens a stream for a minute: a token must not stand in an address."""
        return TicketBody(ticket=tickets.make(holder), expires_in=int(LIFE.total_seconds()))

    @router.get(
        "/v1/inbox/events",
        response_class=StreamingResponse,
        responses={
            200: {
                "content": {"text/event-stream": {"schema": {"type": "string"}}},
                "description": "The events",
            }
        },
    )
    async def stream_events(
        *,
        request: Request,
        ticket: Annotated[str, Query(max_length=LONGEST, description="Of `POST /v1/inbox/tickets`")],
        after: Annotated[
            int | None, Query(ge=0, le=LARGEST, description="Begin behind the item of this number")
        ] = None,
        last_event_id: Annotated[
            str | None, Header(max_length=20, description="As browsers send it when they connect again")
        ] = None,
    ) -> StreamingResponse:
        """The box as it moves: `item` with its number as `id`, `changed`, `counts`, and `expired` when the token has."""
        holder = tickets.holder(ticket)
        gate: RecipientGate = request.app.state.recipient_gate
        await named_by_the_tenant(gate, request.headers.get("origin"), holder, request.scope)
        begin = after if last_event_id is None else _number(last_event_id)
        return StreamingResponse(
            _lines(streams.events(holder, after=begin)),
            media_type="text/event-stream",
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )

    return router


async def _lines(stream: AsyncGenerator[BoxEvent | None]) -> AsyncIterator[bytes]:
    async with aclosing(stream) as events:
        async for event in events:
            yield b": here\n\n" if event is None else _line(event)


def _line(event: BoxEvent) -> bytes:
    number = "" if event.id is None else f"id: {event.id}\n"
    return f"event: {event.name}\n{number}data: {event.data}\n\n".encode()


async def named_by_the_tenant(
    gate: RecipientGate, origin: str | None, holder: TokenHolder, scope: Scope
) -> None:
    """As `RecipientGate` has it for tokens. Raises 403."""
    if origin is not None and not await gate.lets_call(origin, holder.tenant, scope):
        raise Problem(
            codes.FORBIDDEN,
            "The tenant has not named the origin of this page: see `origins` of `PUT /v1/tenant/inbox-keys`.",
        )


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) > LARGEST:
        fault = Fault(
            pointer="header:last-event-id", code="number_invalid", detail="Not the number of an item"
        )
        raise Problem(
            codes.INVALID_REQUEST,
            "`Last-Event-ID` is the number of an item, as the stream gave it.",
            errors=[fault],
        )
    return int(text)
