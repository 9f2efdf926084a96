"""The tenant in place before anything is measured: through the public API, and published to every service."""

import tenant
from environment import Environment
from rows import Rows
from tocsin.dev.api import Api

PUBLISH_SECONDS = 30.0


async def settle(environment: Environment, rows: Rows) -> None:
    """No service may run; none runs afterwards."""
    async with environment.running_role("router", "api"):
        async with Api(url=environment.url("router"), key=environment.key) as api:
            await tenant.settle(api)
        await rows.until_published(seconds=PUBLISH_SECONDS)
