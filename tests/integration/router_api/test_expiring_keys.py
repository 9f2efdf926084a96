"""Keys that end soon are counted, unless somebody has made a key to replace them."""

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tocsin.router.expiring_keys import show_expiring_keys

pytestmark = pytest.mark.postgres

KEY = """
INSERT INTO directory.api_keys (tenant, id, mode, sha256, scopes, replaces, expires_at, revoked_at)
VALUES ('acme', :id, 'live', '', '{}', :replaces, now() + :days * interval '1 day', CASE WHEN :revoked THEN now() END)
"""


async def test_only_working_keys_without_a_successor_count(engine: AsyncEngine) -> None:
    async with engine.begin() as db:
        await db.execute(text("INSERT INTO directory.tenants (id) VALUES ('acme')"))
        for key, days, replaces, revoked in [
            ("today", 0.5, None, False),
            ("this-week", 3, None, False),
            ("replaced", 3, None, False),
            ("its-successor", 300, "replaced", False),
            ("revoked", 3, None, True),
            ("over", -1, None, False),
            ("this-month", 20, None, False),
            ("for-ever", None, None, False),
        ]:
            values = {"id": key, "days": days, "replaces": replaces, "revoked": revoked}
            await db.execute(text(KEY), values)
    await show_expiring_keys(engine)
    shown = [
        REGISTRY.get_sample_value("tocsin_api_keys_expiring", {"within": within})
        for within in ("1d", "7d", "30d")
    ]
    assert shown == [1, 2, 3]
