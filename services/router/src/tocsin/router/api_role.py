"""The `api` role, wired: its application and the components it needs."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from fastapi import FastAPI

from tocsin.contracts.topics import Topics
from tocsin.database import Database, create_engine
from tocsin.kafka import CopyAge, Replica
from tocsin.router.address_hashes import AddressHashes
from tocsin.router.api import create_app
from tocsin.router.expiring_keys import watch_expiring_keys
from tocsin.router.forgetting import forget_old_versions
from tocsin.router.in_force import ChangesInForce
from tocsin.router.optional_categories import require_unsubscribe_page
from tocsin.router.relay import Relay, watch_outbox
from tocsin.router.settings import RouterSettings
from tocsin.router.tokens import UnsubscribeTokens
from tocsin.router.trials import Trials
from tocsin.runtime import Clock, Component, Failpoints, FunctionComponent, Health
from tocsin.web import ASK_SPACING, KeyTable, up_to_now

RELAY_CONNECTIONS: Final = 3
"""One publishes, one listens for what was published, one looks at what waits. They are no part of the API's pool, so that
requests cannot keep changes from being published."""


def api_role(
    *, settings: RouterSettings, database: Database, health: Health, clock: Clock, failpoints: Failpoints
) -> tuple[FastAPI, Sequence[Component]]:
    """The application, and its components in order; `database` is opened before them."""
    keys = KeyTable(clock=clock)
    apart = create_engine(
        settings.database.model_copy(update={"pool_size": RELAY_CONNECTIONS}), application="router relay"
    )
    changes = ChangesInForce(engine=apart)
    replica = Replica(
        settings=settings.kafka,
        topic=Topics(settings.kafka.topic_prefix).directory,
        apply=keys.apply,
        health=health,
        name="api keys",
    )
    age = CopyAge(settings=settings.kafka, copy=replica, spacing=ASK_SPACING, clock=clock)
    trials = Trials()
    app = create_app(
        engine=database.engine,
        keys=keys,
        bring_up_to_now=up_to_now(age.catch_up, service=health.service),
        trusted_proxies=settings.http.trusted_proxies,
        max_bodies_bytes=settings.http.bodies_bytes,
        health=health,
        clock=clock,
        tokens=UnsubscribeTokens(settings.signing_keys),
        hashes=AddressHashes(settings.address_keys),
        public_url=settings.public_url,
        changes=changes,
        trials=trials,
        seal=settings.seal.seal,
        allowed_targets=settings.outgoing.allowed,
    )
    page = FunctionComponent(
        name="unsubscribe page",
        open=partial(require_unsubscribe_page, database.engine, public_url=settings.public_url),
    )
    connections = FunctionComponent(name="connections of the relay", close=apart.dispose)
    relay = Relay(
        engine=apart,
        settings=settings.kafka,
        health=health,
        second_prefix=settings.second_prefix,
        failpoints=failpoints,
    )
    watch = FunctionComponent(name="outbox watch", run=partial(watch_outbox, apart, health.service))
    keys_watch = FunctionComponent(name="expiring keys", run=partial(watch_expiring_keys, database.engine))
    forgetting = FunctionComponent(
        name="forgetting of versions", run=partial(forget_old_versions, database.engine, clock)
    )
    trying = FunctionComponent(name="trials", run=trials.keep_warm, close=trials.close)
    return app, (page, trying, connections, relay, changes, watch, keys_watch, forgetting, replica, age)
