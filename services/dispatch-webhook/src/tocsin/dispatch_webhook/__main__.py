"""`python -m tocsin.dispatch_webhook`"""

import gc
import sys

if __name__ == "__main__":
    gc.disable()  # what follows makes no garbage, and looking for it took up to a quarter of the start; `main` enables it

from tocsin.channel import Dispatcher
from tocsin.contracts.vocabulary import Channel
from tocsin.dispatch_webhook.endpoints import Endpoints
from tocsin.dispatch_webhook.settings import KINDS, WebhookSettings, kinds_for
from tocsin.runtime import Service, main


def build(settings: WebhookSettings) -> Service:
    """The service that these settings ask for."""
    endpoints = Endpoints(seal=settings.seal.seal)
    dispatcher = Dispatcher(
        channel=Channel.WEBHOOK,
        settings=settings,
        kinds=kinds_for(endpoints, settings.outgoing.allowed),
        turn_of=endpoints.turn_of,
    )
    dispatcher.copy_topic(dispatcher.topics.directory, endpoints.apply)
    return dispatcher.service()


if __name__ == "__main__":
    summary = f"Hands webhook jobs to tenants' endpoints: {', '.join(KINDS)}."
    sys.exit(main(name=Channel.WEBHOOK.dispatcher, settings=WebhookSettings, build=build, summary=summary))
