"""`python -m tocsin.dispatch_chat`"""

import gc
import sys

if __name__ == "__main__":
    gc.disable()  # what follows makes no garbage, and looking for it took up to a quarter of the start; `main` enables it

from tocsin.channel import Dispatcher
from tocsin.contracts.vocabulary import Channel
from tocsin.dispatch_chat.settings import KINDS, ChatSettings, kinds_for
from tocsin.runtime import Service, main


def build(settings: ChatSettings) -> Service:
    """The service that these settings ask for."""
    kinds = kinds_for(settings.outgoing.allowed)
    return Dispatcher(channel=Channel.CHAT, settings=settings, kinds=kinds).service()


if __name__ == "__main__":
    summary = f"Hands chat jobs to providers: {', '.join(KINDS)}."
    sys.exit(main(name=Channel.CHAT.dispatcher, settings=ChatSettings, build=build, summary=summary))
