"""An endpoint of a tenant that has answered 410 is disabled: Standard Webhooks asks for that."""

from datetime import datetime
from typing import Final

from sqlalchemy import func, update

from tocsin.contracts.channels import CHANNELS
from tocsin.contracts.statuses import Status
from tocsin.contracts.vocabulary import Lane, Reason, StatusName
from tocsin.database import Database
from tocsin.observability import get_logger, metrics
from tocsin.router.changes import note_changed
from tocsin.router.tables import webhook_endpoints

log = get_logger(__name__)

GONE: Final = "gone"
"""What the endpoint's `disabled_reason` says then."""


def endpoint_gone(status: Status) -> bool:
    """Whether an endpoint has said that it is gone; not of tests, whose sandbox says so on demand."""
    spec = CHANNELS.get(status.channel or "")
    return (
        status.status == StatusName.FAILED
        and status.reason == Reason.ENDPOINT_GONE
        and spec is not None
        and spec.address.gone is Reason.ENDPOINT_GONE
        and not status.test
    )


class GoneEndpoints:
    """Doing it twice changes nothing. One that its tenant has saved since is another one, and stays enabled."""

    def __init__(self, *, lane: Lane, database: Database) -> None:
        self._database = database
        self._disabled = metrics.processed.labels("router", lane, "endpoint_disabled")

    async def disable(self, status: Status) -> None:
        """Disable the endpoint that the status is about."""
        if status.address_key is None or not await self._disable(
            status.tenant, status.address_key, said_at=status.at
        ):
            return
        self._disabled.inc()
        log.warning(
            "webhook endpoint is gone and was disabled",
            tenant=status.tenant,
            endpoint=status.address_key,
            delivery_id=status.delivery_id,
        )

    async def _disable(self, tenant: str, endpoint: str, *, said_at: datetime) -> bool:
        table = webhook_endpoints
        this_one = (table.c.tenant == tenant, table.c.key == endpoint)
        as_it_was_called = (table.c.enabled, table.c.updated_at < said_at)
        disabled = (
            update(table)
            .where(*this_one, *as_it_was_called)
            .values(
                enabled=False,
                disabled_reason=GONE,
                disabled_at=func.now(),
                revision=table.c.revision + 1,
                updated_at=func.now(),
            )
        )
        async with self._database.engine.begin() as db:
            if (await db.execute(disabled)).rowcount == 0:
                return False
            await note_changed(db, "webhook_endpoint", tenant, endpoint)
        return True
