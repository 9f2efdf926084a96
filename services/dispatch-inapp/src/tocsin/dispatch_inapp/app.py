"""How dispatch-inapp is put together."""

from tocsin.channel import Dispatcher
from tocsin.contracts.vocabulary import Channel
from tocsin.database import Database
from tocsin.dispatch_inapp.delivered import Delivered
from tocsin.dispatch_inapp.inbox import InboxConfig, InboxProvider, kinds_for
from tocsin.dispatch_inapp.items_table import ItemsTable
from tocsin.dispatch_inapp.migrations import MIGRATIONS
from tocsin.dispatch_inapp.removing import Removing
from tocsin.dispatch_inapp.settings import InappSettings
from tocsin.runtime import Clock, FunctionComponent, Service

SERVICE = Channel.INAPP.dispatcher


def build(settings: InappSettings) -> Service:
    """The service of these settings; nothing connects before it is run."""

    def make(config: InboxConfig, clock: Clock) -> InboxProvider:
        """Called once the process runs, when all that it needs is there."""
        return InboxProvider(config, clock, items=ItemsTable(database=database), delivered=delivered)

    dispatcher = Dispatcher(channel=Channel.INAPP, settings=settings, kinds=kinds_for(make))
    database = Database(
        settings=settings.database,
        service=SERVICE,
        check=dispatcher.health.check("database"),
        migrations=MIGRATIONS,
    )
    delivered = Delivered(publisher=dispatcher.publisher, topics=dispatcher.topics)
    removing = Removing(database=database, clock=dispatcher.clock)
    return dispatcher.service(
        first=[database], last=[FunctionComponent(name="removing of old items", run=removing.run)]
    )
