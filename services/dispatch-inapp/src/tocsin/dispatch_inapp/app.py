"""How dispatch-inapp is put together."""

from uuid import UUID

from tocsin.channel import Dispatcher
from tocsin.contracts.vocabulary import Channel
from tocsin.database import Database
from tocsin.dispatch_inapp.api import SERVICE, create_app
from tocsin.dispatch_inapp.delivered import Delivered
from tocsin.dispatch_inapp.inbox import InboxConfig, InboxProvider, kinds_for
from tocsin.dispatch_inapp.items_table import ItemsTable
from tocsin.dispatch_inapp.live_boxes import LiveBoxes, Watchers
from tocsin.dispatch_inapp.migrations import MIGRATIONS
from tocsin.dispatch_inapp.removing import Removing
from tocsin.dispatch_inapp.settings import InappSettings
from tocsin.dispatch_inapp.telling_changes import TellingChanges
from tocsin.kafka import Replica
from tocsin.runtime import Api, Clock, FunctionComponent, Service
from tocsin.trust import TokenHolder
from tocsin.web import InboxKeyTable


def build(settings: InappSettings) -> Service:
    """The service of these settings; nothing connects before it is run."""

    def make(config: InboxConfig, clock: Clock) -> InboxProvider:
        """Called once the process runs, when all that it needs is there."""
        return InboxProvider(config, clock, items=ItemsTable(database=database), delivered=delivered)

    dispatcher = Dispatcher(channel=Channel.INAPP, settings=settings, kinds=kinds_for(make))
    health, clock, topics = dispatcher.health, dispatcher.clock, dispatcher.topics
    database = Database(
        settings=settings.database, service=SERVICE, check=health.check("database"), migrations=MIGRATIONS
    )
    delivered = Delivered(publisher=dispatcher.publisher, topics=topics)
    removing = Removing(database=database, clock=clock)
    telling = TellingChanges(database=database, publisher=dispatcher.publisher, topics=topics, clock=clock)
    seal, watchers = settings.seal.seal, Watchers()
    keys = InboxKeyTable(seal=seal, clock=clock)
    boxes = LiveBoxes(
        watchers=watchers,
        settings=settings.kafka,
        topic=topics.inbox,
        check=health.check("kafka inbox"),
    )
    directory = Replica(settings=settings.kafka, topic=topics.directory, apply=keys.apply, health=health)

    def changed(_holder: TokenHolder, _items: list[UUID]) -> None:
        telling.wake()

    app = create_app(
        database=database,
        directory=keys,
        watchers=watchers,
        seal=seal,
        on_change=changed,
        streams_at_once=max(1, settings.database.pool_size // 2),
        clock=clock,
        trusted_proxies=settings.http.trusted_proxies,
        max_bodies_bytes=settings.http.bodies_bytes,
        health=health,
    )
    return dispatcher.service(
        first=[database, directory],
        last=[
            FunctionComponent(name="removing of old items", run=removing.run),
            FunctionComponent(name="telling of changes", run=telling.run),
            boxes,
        ],
        api=Api(app=app, settings=settings.http, sockets=app.state.sockets),
    )
