"""`python -m tocsin.dispatch_email`"""

import gc
import sys

if __name__ == "__main__":
    gc.disable()  # what follows makes no garbage, and looking for it took up to a quarter of the start; `main` enables it

from tocsin.channel import Dispatcher
from tocsin.contracts.vocabulary import Channel
from tocsin.dispatch_email.settings import KINDS, EmailSettings
from tocsin.runtime import Service, main


def build(settings: EmailSettings) -> Service:
    """The service that these settings ask for."""
    return Dispatcher(channel=Channel.EMAIL, settings=settings, kinds=KINDS).service()


if __name__ == "__main__":
    summary = f"Hands email jobs to providers: {', '.join(KINDS)}."
    sys.exit(main(name=Channel.EMAIL.dispatcher, settings=EmailSettings, build=build, summary=summary))
