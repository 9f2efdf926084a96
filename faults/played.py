"""The channels that the proving ground plays: those whose providers have a sink in `sinks`. The other dispatchers run, and have nothing to do."""

from typing import Final

from tocsin.contracts.vocabulary import Channel

PLAYED: Final = (Channel.EMAIL, Channel.SMS, Channel.PUSH)
