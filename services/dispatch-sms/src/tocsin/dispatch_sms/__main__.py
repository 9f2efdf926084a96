"""`python -m tocsin.dispatch_sms`"""

import gc
import sys

if __name__ == "__main__":
    gc.disable()  # what follows makes no garbage, and looking for it took up to a quarter of the start; `main` enables it

from tocsin.channel import Dispatcher
from tocsin.contracts.vocabulary import Channel
from tocsin.dispatch_sms.settings import KINDS, SmsSettings
from tocsin.runtime import Service, main


def build(settings: SmsSettings) -> Service:
    """The service that these settings ask for."""
    return Dispatcher(channel=Channel.SMS, settings=settings, kinds=KINDS).service()


if __name__ == "__main__":
    summary = f"Hands sms jobs to providers: {', '.join(KINDS)}."
    sys.exit(main(name=Channel.SMS.dispatcher, settings=SmsSettings, build=build, summary=summary))
