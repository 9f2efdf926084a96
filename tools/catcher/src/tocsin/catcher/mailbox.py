"""What was caught: kept in memory, bounded, and told to those who follow."""

import asyncio
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from .messages import AnyMessage, Channel

_FOLLOWER_BACKLOG = 1000


@dataclass(frozen=True)
class Arrived:
    """A message was caught."""

    message: AnyMessage


@dataclass(frozen=True)
class Cleared:
    """Everything was thrown away."""


@dataclass(frozen=True)
class Ended:
    """Nothing more will be told: the catcher stops, or this follower was too slow and must read anew."""


Event = Arrived | Cleared | Ended


class Mailbox:
    """Keeps the last `keep` messages and at most about `keep_bytes` of them. For one event loop, no threads."""

    def __init__(self, *, keep: int, keep_bytes: int = 128 * 1024 * 1024) -> None:
        self._keep = keep
        self._keep_bytes = keep_bytes
        self._messages: deque[AnyMessage] = deque()
        self._bytes = 0
        self._followers: set[asyncio.Queue[Event]] = set()
        self._closed = False

    def add(self, message: AnyMessage) -> None:
        """Keep it, forget the oldest if there are too many, tell the followers."""
        self._messages.append(message)
        self._bytes += message.weight()
        while len(self._messages) > self._keep or (
            self._bytes > self._keep_bytes and len(self._messages) > 1
        ):
            self._bytes -= self._messages.popleft().weight()
        self._notify(Arrived(message))

    def find(
        self,
        *,
        channel: Channel | None = None,
        to: str | None = None,
        since: datetime | None = None,
        limit: int | None = None,
    ) -> list[AnyMessage]:
        """Newest first; `to` is compared whole, without regard to case; `since` is inclusive."""
        messages = [
            message
            for message in reversed(self._messages)
            if (channel is None or message.channel == channel)
            and (to is None or message.to.casefold() == to.casefold())
            and (since is None or message.received_at >= since)
        ]
        return messages[:limit]

    def get(self, identity: UUID) -> AnyMessage | None:
        """The message, if it is still kept."""
        return next((message for message in self._messages if message.id == identity), None)

    def clear(self) -> None:
        """Forget everything and tell the followers."""
        self._messages.clear()
        self._bytes = 0
        self._notify(Cleared())

    def follow(self) -> asyncio.Queue[Event]:
        """Everything from now on, in order, ending with `Ended`. Give it back with `unfollow`."""
        queue: asyncio.Queue[Event] = asyncio.Queue(_FOLLOWER_BACKLOG)
        if self._closed:
            queue.put_nowait(Ended())
        self._followers.add(queue)
        return queue

    def unfollow(self, queue: asyncio.Queue[Event]) -> None:
        """Tell this follower nothing more."""
        self._followers.discard(queue)

    def close(self) -> None:
        """End every follower, those to come too."""
        self._closed = True
        self._notify(Ended())

    def _notify(self, event: Event) -> None:
        for queue in tuple(self._followers):
            if queue.full():  # a stuck browser must not hold memory: it reads the list again when it is back
                self._followers.discard(queue)
                queue.get_nowait()
                queue.put_nowait(Ended())
                continue
            queue.put_nowait(event)
