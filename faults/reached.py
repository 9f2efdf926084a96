"""The channels whose far ends the proving ground plays."""

from typing import Final

from tocsin.contracts.vocabulary import Channel

REACHED: Final = (Channel.EMAIL, Channel.SMS, Channel.PUSH)
"""Webhooks have none here: endpoints are the tenants', and every one is a far end of its own."""
