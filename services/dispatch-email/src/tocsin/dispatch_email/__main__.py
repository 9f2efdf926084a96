"""`python -m tocsin.dispatch_email [callbacks]`"""

import gc
import sys
from collections.abc import Sequence

if __name__ == "__main__":
    gc.disable()  # what follows makes no garbage, and looking for it took up to a quarter of the start; `main` enables it

from tocsin.channel import Dispatcher
from tocsin.contracts.vocabulary import Channel
from tocsin.dispatch_email.attachments import Attachments
from tocsin.dispatch_email.settings import KINDS, EmailSettings
from tocsin.runtime import Service, SystemClock, main

SUMMARY = (
    f"Hands email jobs to providers: {', '.join(KINDS)}. `callbacks` is a role of its own: it takes what providers tell of messages "
    "that they have taken, and needs none of the secrets to send."
)


def build(settings: EmailSettings) -> Service:
    """The service that these settings ask for."""
    attachments = Attachments(
        allowed=settings.outgoing.allowed, memory=settings.attachments_bytes, clock=SystemClock()
    )
    dispatcher = Dispatcher(channel=Channel.EMAIL, settings=settings, kinds=KINDS, preparation=attachments)
    return dispatcher.service(first=[attachments])


def run(arguments: Sequence[str]) -> int:
    """The exit code."""
    if list(arguments[:1]) == ["callbacks"]:
        return _callbacks(arguments[1:])
    return main(
        name=Channel.EMAIL.dispatcher,
        settings=EmailSettings,
        build=build,
        summary=SUMMARY,
        arguments=arguments,
    )


def _callbacks(arguments: Sequence[str]) -> int:
    # The other role loads none of this.
    from tocsin.channel.callbacks_role import callbacks_service, role_name  # noqa: PLC0415
    from tocsin.dispatch_email.callbacks import EmailCallbackSettings  # noqa: PLC0415

    def build_callbacks(settings: EmailCallbackSettings) -> Service:
        return callbacks_service(settings, channel=Channel.EMAIL)

    return main(
        name=role_name(Channel.EMAIL),
        settings=EmailCallbackSettings,
        build=build_callbacks,
        summary=SUMMARY,
        started_by="tocsin.dispatch_email callbacks",
        arguments=arguments,
    )


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
