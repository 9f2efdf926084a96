"""`python -m tocsin.dispatch_sms [callbacks]`"""

import gc
import sys
from collections.abc import Sequence

if __name__ == "__main__":
    gc.disable()  # what follows makes no garbage, and looking for it took up to a quarter of the start; `main` enables it

from tocsin.channel import Dispatcher
from tocsin.contracts.vocabulary import Channel
from tocsin.dispatch_sms.settings import KINDS, SmsSettings
from tocsin.runtime import Service, main

SUMMARY = (
    f"Hands sms jobs to providers: {', '.join(KINDS)}. `callbacks` is a role of its own: it takes what providers tell of messages "
    "that they have taken, and needs none of the secrets to send."
)


def build(settings: SmsSettings) -> Service:
    """The service that these settings ask for."""
    return Dispatcher(channel=Channel.SMS, settings=settings, kinds=KINDS).service()


def run(arguments: Sequence[str]) -> int:
    """The exit code."""
    if list(arguments[:1]) == ["callbacks"]:
        return _callbacks(arguments[1:])
    return main(
        name=Channel.SMS.dispatcher, settings=SmsSettings, build=build, summary=SUMMARY, arguments=arguments
    )


def _callbacks(arguments: Sequence[str]) -> int:
    # The other role loads none of this.
    from tocsin.channel.callbacks_role import callbacks_service, role_name  # noqa: PLC0415
    from tocsin.dispatch_sms.callbacks import SmsCallbackSettings  # noqa: PLC0415

    def build_callbacks(settings: SmsCallbackSettings) -> Service:
        return callbacks_service(settings, channel=Channel.SMS)

    return main(
        name=role_name(Channel.SMS),
        settings=SmsCallbackSettings,
        build=build_callbacks,
        summary=SUMMARY,
        started_by="tocsin.dispatch_sms callbacks",
        arguments=arguments,
    )


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
