"""`python -m tocsin.dispatch_inapp [migrate]`"""

import gc
import sys

if __name__ == "__main__":
    gc.disable()  # what follows makes no garbage, and looking for it took up to a quarter of the start; `main` enables it

from tocsin.contracts.vocabulary import Channel
from tocsin.database import migrate
from tocsin.dispatch_inapp.app import build
from tocsin.dispatch_inapp.migrations import MIGRATIONS
from tocsin.dispatch_inapp.settings import InappSettings
from tocsin.runtime import main

SUMMARY = "Keeps the inboxes of recipients, and answers the apps that show them. `migrate` prepares the database and ends."

if __name__ == "__main__":
    if sys.argv[1:] == ["migrate"]:
        sys.exit(migrate(MIGRATIONS))
    sys.exit(main(name=Channel.INAPP.dispatcher, settings=InappSettings, build=build, summary=SUMMARY))
