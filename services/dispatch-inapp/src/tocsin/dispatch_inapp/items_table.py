"""How items are stored: once each, with their numbers and their box's counts, in one transaction for all that wait together."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Final

from tocsin.database import Database
from tocsin.database.reach import AWAY
from tocsin.dispatch_inapp.new_item import NewItem

# The boxes of a batch, made where they are missing and held until the transaction ends. In one order, so that no two processes wait for
# each other.
_HOLD: Final = """
INSERT INTO inbox.boxes AS box (tenant, recipient)
SELECT tenant, recipient FROM unnest($1::text[], $2::text[]) AS owner (tenant, recipient) ORDER BY tenant, recipient
ON CONFLICT (tenant, recipient) DO UPDATE SET last_seq = box.last_seq
"""
# Whoever stores the same delivery elsewhere has held the box before: its row is seen here, and the item counts once.
_STORE: Final = """
WITH missing AS (
  SELECT item.*, box.last_seq + row_number() OVER (PARTITION BY tenant, recipient ORDER BY item.place) AS seq
  FROM unnest($1::text[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::timestamptz[])
    WITH ORDINALITY AS item (tenant, recipient, id, category, content, about, expires_at, remove_at, place)
  JOIN inbox.boxes AS box USING (tenant, recipient)
  WHERE NOT EXISTS (
    SELECT FROM inbox.items AS stands
    WHERE stands.tenant = item.tenant AND stands.recipient = item.recipient AND stands.id = item.id
  )
), stored AS (
  INSERT INTO inbox.items (tenant, recipient, id, seq, category, content, about, created_at, expires_at, remove_at)
  SELECT tenant, recipient, id, seq, category, content, about, $9::timestamptz, expires_at, remove_at FROM missing
  ON CONFLICT DO NOTHING
  RETURNING tenant, recipient, seq
), counted AS (
  UPDATE inbox.boxes AS box
  SET last_seq = more.last_seq, unseen = box.unseen + more.items, unread = box.unread + more.items
  FROM (SELECT tenant, recipient, max(seq) AS last_seq, count(*) AS items FROM stored GROUP BY tenant, recipient) AS more
  WHERE box.tenant = more.tenant AND box.recipient = more.recipient
)
SELECT count(*) FROM stored
"""


class NotConnected(Exception):
    """No connection to PostgreSQL was to be had, so nothing can have been stored. The cause says why; it is tried again."""


class ItemsTable:
    """The rows of `inbox.items` and `inbox.boxes` as jobs write them."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def store(self, items: Sequence[NewItem], *, at: datetime) -> int:
        """Store each item that does not stand yet; returns how many there were. `items` must have different keys.

        Raises NotConnected, and what PostgreSQL says of the statements.
        """
        boxes = sorted({(item.tenant, item.recipient) for item in items})
        async with AsyncExitStack() as stack:
            try:
                connection = await stack.enter_async_context(self._database.driver("INSERT inbox.items"))
            except AWAY as error:
                raise NotConnected("PostgreSQL gives no connection") from error
            async with connection.transaction():
                await connection.execute(_HOLD, [box[0] for box in boxes], [box[1] for box in boxes])
                stored: int = await connection.fetchval(
                    _STORE,
                    [item.tenant for item in items],
                    [item.recipient for item in items],
                    [item.id for item in items],
                    [item.category for item in items],
                    [item.content for item in items],
                    [item.about for item in items],
                    [item.expires_at for item in items],
                    [item.remove_at for item in items],
                    at,
                )
        return stored
