"""`python -m tocsin.scheduler [migrate | adopt PREFIX]`"""

import gc
import sys

if __name__ == "__main__":
    gc.disable()  # what follows makes no garbage, and looking for it took up to a quarter of the start; `main` enables it

from tocsin.database import migrate
from tocsin.runtime import main
from tocsin.scheduler.app import build
from tocsin.scheduler.migrations import MIGRATIONS
from tocsin.scheduler.settings import SchedulerSettings

SUMMARY = (
    "Keeps what is due later, and writes it when it is due. `migrate` prepares the database and ends; `adopt PREFIX` makes the timers "
    "of another topic prefix this one's and ends."
)

if __name__ == "__main__":
    if sys.argv[1:] == ["migrate"]:
        sys.exit(migrate(MIGRATIONS))
    if sys.argv[1:2] == ["adopt"]:
        from tocsin.scheduler.adopting import run

        sys.exit(run(sys.argv[2:]))
    sys.exit(main(name="scheduler", settings=SchedulerSettings, build=build, summary=SUMMARY))
