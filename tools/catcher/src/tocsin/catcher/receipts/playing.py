"""Plays receipts: says of a caught message what its provider would, in its form and with its proof."""

from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from tocsin.catcher.messages import AnyMessage

from .telling import NotTellable, Teller


@dataclass(frozen=True)
class Played:
    """It was taken."""


@dataclass(frozen=True)
class NotPlayed:
    """It was not; the reason is for a person."""

    reason: str


class Receipts:
    """`tellers` has one for each kind of provider that tells of its messages."""

    def __init__(self, *, client: httpx.AsyncClient, tellers: Mapping[str, Teller]) -> None:
        self._client = client
        self._tellers = tellers

    def names(self, message: AnyMessage) -> list[str]:
        """What can be played of this message; nothing where nobody could be told, or not of which message."""
        teller = self._tellers.get(message.provider)
        return [] if teller is None else teller.names(message)

    async def play(self, message: AnyMessage, name: str) -> Played | NotPlayed:
        """Tell it. `name` is one of `names`."""
        try:
            told = self._tellers[message.provider].tell(message, name)
            answer = await self._client.post(told.url, content=told.body, headers=told.headers)
        except NotTellable as reason:
            return NotPlayed(str(reason))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return NotPlayed(f"Nobody took it ({type(error).__name__}).")
        if not answer.is_success:
            return NotPlayed(f"It was answered with {answer.status_code}.")
        return Played()
