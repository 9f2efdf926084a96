"""The `api` role, wired: its application and the components it needs."""

from collections.abc import Sequence
from functools import partial

from fastapi import FastAPI

from tocsin.contracts.topics import Topics
from tocsin.database import Database
from tocsin.kafka import Replica
from tocsin.router.api import create_app
from tocsin.router.forgetting import forget_old_versions
from tocsin.router.optional_categories import require_unsubscribe_page
from tocsin.router.relay import Relay, watch_outbox
from tocsin.router.settings import RouterSettings
from tocsin.router.tokens import UnsubscribeTokens
from tocsin.runtime import Clock, Component, FunctionComponent, Health
from tocsin.web import KeyTable


def api_role(
    *, settings: RouterSettings, database: Database, health: Health, clock: Clock
) -> tuple[FastAPI, Sequence[Component]]:
    """The application, and its components in order; `database` is opened before them."""
    keys = KeyTable(clock=clock)
    app = create_app(
        engine=database.engine,
        keys=keys,
        health=health,
        clock=clock,
        tokens=UnsubscribeTokens(settings.signing_keys),
        public_url=settings.public_url,
    )
    replica = Replica(
        settings=settings.kafka,
        topic=Topics(settings.kafka.topic_prefix).directory,
        apply=keys.apply,
        health=health,
        name="api keys",
    )
    page = FunctionComponent(
        name="unsubscribe page",
        open=partial(require_unsubscribe_page, database.engine, public_url=settings.public_url),
    )
    relay = Relay(engine=database.engine, settings=settings.kafka, health=health)
    watch = FunctionComponent(name="outbox watch", run=partial(watch_outbox, database.engine, health.service))
    forgetting = FunctionComponent(
        name="forgetting of versions", run=partial(forget_old_versions, database.engine, clock)
    )
    return app, (page, relay, watch, forgetting, replica)
