"""`python -m tocsin.ledger [migrate]`"""

import gc
import sys

if __name__ == "__main__":
    gc.disable()  # what follows makes no garbage, and looking for it took up to a quarter of the start; `main` enables it

from tocsin.database import migrate
from tocsin.ledger.app import build
from tocsin.ledger.migrations import MIGRATIONS
from tocsin.ledger.settings import LedgerSettings
from tocsin.runtime import main

SUMMARY = "Keeps what happened to every message and answers for it. `migrate` prepares the database and ends."

if __name__ == "__main__":
    if sys.argv[1:] == ["migrate"]:
        sys.exit(migrate(MIGRATIONS))
    sys.exit(main(name="ledger", settings=LedgerSettings, build=build, summary=SUMMARY))
