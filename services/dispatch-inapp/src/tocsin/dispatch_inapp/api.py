"""The HTTP surface of inboxes, from its parts."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from fastapi import FastAPI
from pydantic import SecretStr

from tocsin.contracts.vocabulary import Channel
from tocsin.database import Database, DatabaseSettings
from tocsin.dispatch_inapp.box_socket import PATH, BoxSocket
from tocsin.dispatch_inapp.changing_items import ChangingItems
from tocsin.dispatch_inapp.event_stream import EventStreams
from tocsin.dispatch_inapp.items_api import Changed, changing_routes, reading_routes
from tocsin.dispatch_inapp.live_boxes import Watchers
from tocsin.dispatch_inapp.reading_items import ReadingItems
from tocsin.dispatch_inapp.streams_api import stream_routes
from tocsin.dispatch_inapp.tickets import Tickets
from tocsin.dispatch_inapp.turns import Turns
from tocsin.runtime import BODIES_BYTES, Clock, Health, SystemClock
from tocsin.trust import Seal, TokenHolder
from tocsin.web import (
    InboxKeyTable,
    Network,
    RecipientGate,
    TokenDirectory,
    let_other_origins_call,
    service_app,
)

OF_RECIPIENTS: Final = "/v1/inbox/"
LARGEST_BODY: Final = 4096
"""A recipient's token is asked for once the body is there; all that is taken is a few words."""
SERVICE: Final = Channel.INAPP.dispatcher


def _tell_nobody(_holder: TokenHolder, _items: list[UUID]) -> None:
    """Of an application that is described, not called."""


def create_app(
    *,
    database: Database | None = None,
    directory: TokenDirectory | None = None,
    watchers: Watchers | None = None,
    seal: Seal | None = None,
    on_change: Changed = _tell_nobody,
    streams_at_once: int = 5,
    clock: Clock | None = None,
    trusted_proxies: Sequence[Network] = (),
    max_bodies_bytes: int = BODIES_BYTES,
    health: Health | None = None,
) -> FastAPI:
    """The application. Without a database it describes itself: enough for OpenAPI; nothing connects.

    `streams_at_once` of the streams read their boxes at the same time.
    """
    health, clock = health or Health(service=SERVICE), clock or SystemClock()
    database = database or _unconnected(health)
    app = service_app(
        name=SERVICE,
        health=health,
        summary="Inboxes: what recipients see, and what they have done with it.",
        trusted_proxies=trusted_proxies,
        public={OF_RECIPIENTS: LARGEST_BODY},
        max_bodies_bytes=max_bodies_bytes,
    )
    gate = app.state.recipient_gate = RecipientGate(
        directory=directory or InboxKeyTable(seal=Seal([])),
        failures=app.state.gate.failures,
        sources=app.state.gate.sources,
        clock=clock,
    )
    let_other_origins_call(app, prefixes=(OF_RECIPIENTS,), gate=gate)
    reading = ReadingItems(database=database)
    app.include_router(reading_routes(reading=reading, clock=clock))
    app.include_router(
        changing_routes(
            reading=reading, changing=ChangingItems(database=database), on_change=on_change, clock=clock
        )
    )
    turns = Turns(most=streams_at_once)
    streams = EventStreams(reading=reading, watchers=watchers or Watchers(), turns=turns, clock=clock)
    tickets = Tickets(seal=seal or Seal([]), clock=clock)
    app.include_router(stream_routes(streams=streams, tickets=tickets))
    app.state.sockets = {PATH: BoxSocket(streams=streams, tickets=tickets, gate=gate, service=SERVICE)}
    return app


def _unconnected(health: Health) -> Database:
    nowhere = DatabaseSettings(url=SecretStr("postgresql://nowhere.invalid/none"))
    return Database(settings=nowhere, service=SERVICE, check=health.check("database"))
