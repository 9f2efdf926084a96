"""Mailgun's tokens that came already. Its signature covers the time and the token, and not the event: who has seen one callback could tell
another event with it."""

from typing import Final

import msgspec

from tocsin.channel.receipts import ProviderEvent

MOST: Final = 50_000
"""Tokens that are remembered; at some 300 bytes each they take 15 MB. Of more, the oldest are forgotten."""
_encode: Final = msgspec.msgpack.Encoder().encode


class Tokens:
    """Those of one account. Each token tells one event, and may tell it again: Mailgun repeats what we could not store."""

    def __init__(self, *, most: int = MOST) -> None:
        self._most = most
        self._told: dict[str, int] = {}

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._told)

    def tells_another(self, token: str, event: ProviderEvent) -> bool:
        """Whether this token has told another event than this one. From now on it tells this one, if it is new."""
        told = hash(_encode(event))
        if (known := self._told.get(token)) is not None:
            return known != told
        if len(self._told) >= self._most:
            del self._told[next(iter(self._told))]
        self._told[token] = told
        return False
