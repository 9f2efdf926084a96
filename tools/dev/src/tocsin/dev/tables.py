"""`python -m tocsin.dev.tables [--keys]`: all schemas, and the sample tenant's first keys, by one process.

They are the commands a person types while installing: each alone would load the same libraries again.
"""

import sys

from tocsin.database import migrate
from tocsin.dev.sample import TENANT
from tocsin.dispatch_inapp.migrations import MIGRATIONS as INBOX
from tocsin.ledger.migrations import MIGRATIONS as LEDGER
from tocsin.router.commands.keys import create
from tocsin.router.migrations import MIGRATIONS as ROUTER
from tocsin.scheduler.migrations import MIGRATIONS as SCHEDULER


def main(*, keys: bool) -> int:
    """The exit code. With `keys`, standard output holds a key with all scopes and then one with send and read."""
    for migrations in (ROUTER, LEDGER, SCHEDULER, INBOX):
        if code := migrate(migrations):
            return code
    if keys:
        create(tenant=TENANT, admin=True, create_tenant=True)
        create(tenant=TENANT, scopes=["send", "read"])
    return 0


if __name__ == "__main__":
    sys.exit(main(keys="--keys" in sys.argv))
