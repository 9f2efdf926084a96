"""The channels that are measured: those whose providers have a sink. What another one costs is not in the record."""

from typing import Final

from tocsin.contracts.vocabulary import Channel

MEASURED: Final = (Channel.EMAIL, Channel.SMS, Channel.PUSH)
