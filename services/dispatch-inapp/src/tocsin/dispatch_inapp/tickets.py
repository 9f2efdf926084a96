"""Tickets: what opens a stream for a minute. An address of a stream stands in logs and histories, where a token must not be.

A ticket is sealed with `SEAL_KEYS`, so any process takes what another gave: `<tenant>.<sealed recipient, end of the ticket, end of the token>`.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from tocsin.runtime import Clock
from tocsin.trust import Seal, SealBroken, SealKeyMissing, TokenHolder
from tocsin.web import Problem, codes

LIFE: Final = timedelta(seconds=60)
LONGEST: Final = 1024
_ENTITY: Final = "inbox_ticket"


class _Ticket(msgspec.Struct, array_like=True):
    recipient: str
    good_until: int
    token_until: int


_decode: Final = msgspec.json.Decoder(_Ticket).decode
_REFUSED: Final = (
    "The ticket is none of ours, or older than a minute: ask for another one with `POST /v1/inbox/tickets`."
)


class Tickets:
    """Made for who holds a token, and good for nothing but a stream."""

    def __init__(self, *, seal: Seal, clock: Clock) -> None:
        self._seal = seal
        self._clock = clock

    def make(self, holder: TokenHolder) -> str:
        """A ticket of this recipient. Raises 503 where the installation has no key."""
        until = int((self._clock.now() + LIFE).timestamp())
        ticket = _Ticket(holder.recipient, until, int(holder.expires_at.timestamp()))
        text = msgspec.json.encode(ticket).decode()
        try:
            return f"{holder.tenant}.{self._seal.seal(text, tenant=holder.tenant, entity=_ENTITY)}"
        except SealKeyMissing as error:
            detail = "Streams need a key: the operator of this installation has to set SEAL_KEYS."
            raise Problem(codes.NOT_READY, detail, headers={"retry-after": "60"}) from error

    def holder(self, text: str) -> TokenHolder:
        """Whose ticket it is, until when their token is good. Raises 401."""
        tenant, _, sealed = text[:LONGEST].partition(".")
        try:
            ticket = _decode(self._seal.open(sealed, tenant=tenant, entity=_ENTITY))
        except (SealBroken, SealKeyMissing, msgspec.MsgspecError, UnicodeError):
            raise Problem(codes.TOKEN_INVALID, _REFUSED) from None
        now = self._clock.now()
        if ticket.good_until <= now.timestamp() or ticket.token_until <= now.timestamp():
            raise Problem(codes.TOKEN_EXPIRED, _REFUSED)
        expires_at = datetime.fromtimestamp(ticket.token_until, UTC)
        return TokenHolder(tenant=tenant, recipient=ticket.recipient, expires_at=expires_at)
