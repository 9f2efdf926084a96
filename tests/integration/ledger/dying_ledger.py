"""`python dying_ledger.py`: the ledger, but with SIGKILL after the rows and before the commit of the batch named by DIE_AT."""

import os
import signal
import sys
from typing import Any

from tocsin.ledger import app
from tocsin.ledger.projected_table import ProjectedTable
from tocsin.ledger.settings import LedgerSettings
from tocsin.runtime import main

batches = 0


async def die_when_due() -> None:
    global batches  # noqa: PLW0603 - one process, one count
    batches += 1
    if batches == int(os.environ["DIE_AT"]):
        os.kill(os.getpid(), signal.SIGKILL)


class DyingTable(ProjectedTable):
    def __init__(self, **arguments: Any) -> None:
        super().__init__(before_commit=die_when_due, **arguments)


setattr(app, "ProjectedTable", DyingTable)  # noqa: B010 - mypy would have the module export it
sys.exit(main(name="ledger", settings=LedgerSettings, build=app.build, summary="dies", arguments=[]))
