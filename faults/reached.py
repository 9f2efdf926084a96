"""The channels whose far ends the proving ground plays, and the services that it runs for them."""

from typing import Final

from tocsin.contracts.vocabulary import Channel
from tocsin.dev.services import NAMES

REACHED: Final = (Channel.EMAIL, Channel.SMS, Channel.PUSH)
"""Webhooks, chats and inboxes have no far end here; no dispatcher of theirs runs."""
_OTHERS: Final = frozenset(channel.dispatcher for channel in Channel if channel not in REACHED)
SERVICES: Final = tuple(name for name in NAMES if name not in _OTHERS)
"""In the order of their start."""
