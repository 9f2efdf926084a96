"""One far end: the server behind one port, for one channel, and what it is told to do."""

import asyncio
import ssl
from collections.abc import Callable
from typing import cast

import msgspec

from sinks.behaviour import GOOD, Behaviour, Kind
from sinks.journal import Journal, Message, Probe

Session = Callable[[], asyncio.Protocol]


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A behaviour for one tenant's or one recipient's messages alone. `recipient` is an address where no message has come yet."""

    behaviour: Behaviour
    tenant: str | None = None
    recipient: str | None = None

    def applies_to(self, tenant: str | None, recipient: str | None) -> bool:
        """Whether it is about this message."""
        return self.tenant in {None, tenant} and self.recipient in {None, recipient}


class FarEnd:
    """Listens on one port that stays the same; counts its connections so that all can be closed at once.

    `name` tells far ends of one channel apart: a tenant may have providers of its own.
    """

    def __init__(
        self, *, name: str, channel: str, journal: Journal, tls: ssl.SSLContext | None = None
    ) -> None:
        self.name = name
        self.channel = channel
        self.behaviour = GOOD
        self.rules: list[Rule] = []
        self.port = 0
        self.sessions: dict[asyncio.Protocol, asyncio.Transport] = {}
        self._journal = journal
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._session: Session | None = None

    async def listen(self, session: Session | None = None) -> None:
        """Take connections; each is served by what `session` makes. Without it: as before."""
        self._session = session or self._session
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            self._new, "127.0.0.1", self.port, backlog=512, ssl=self._tls, reuse_address=True
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def restart(self, seconds: float) -> None:
        """Close every connection and the port, and open the port again after so many seconds."""
        self.close()
        await asyncio.sleep(seconds)
        await self.listen()

    def close(self) -> None:
        """Reset every connection and stop listening."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for transport in list(self.sessions.values()):
            transport.abort()

    def behave(self, rule: Rule) -> None:
        """From now on. A rule about everybody replaces all rules there are."""
        if rule.tenant is None and rule.recipient is None:
            self.behaviour, self.rules = rule.behaviour, []
        else:
            self.rules.append(rule)

    def behaviour_for(self, *, tenant: str | None = None, recipient: str | None = None) -> Behaviour:
        """What to do with such a message: the latest rule that is about it, else what holds for everybody."""
        about = (rule.behaviour for rule in reversed(self.rules) if rule.applies_to(tenant, recipient))
        return next(about, self.behaviour)

    def behaviour_with(self, message: Message | None) -> Behaviour:
        """The same, for a message that has come."""
        if message is None:
            return self.behaviour_for()
        return self.behaviour_for(tenant=message.probe.tenant, recipient=message.probe.recipient)

    def take(self, message: Message | None, *, ambiguous: bool = False) -> None:
        """Write down that it is here; a message without a probe is one, too: it must not go unseen."""
        known = message or Message(probe=Probe("", "", "", -1), delivery="")
        self._journal.take(known, end=self.name, channel=self.channel, ambiguous=ambiguous)

    def call(self, probe: object, answer: str) -> None:
        """Write down a call that was not simply taken."""
        self._journal.call("" if probe is None else probe, answer, end=self.name, channel=self.channel)

    def _new(self) -> asyncio.Protocol:
        if self.behaviour.kind is Kind.CLOSE_NEW:
            self.call(None, "closed")
            return Closing()
        if self._session is None:
            raise RuntimeError("nothing is served here yet")
        return self._session()


class Closing(asyncio.Protocol):
    """A connection that ends as soon as it begins."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).abort()
