"""`python -m tocsin.ledger [witness|migrate]`"""

import gc
import sys
from collections.abc import Sequence

if __name__ == "__main__":
    gc.disable()  # what follows makes no garbage, and looking for it took up to a quarter of the start; `main` enables it

from tocsin.runtime import Health, Service, SystemClock, main

SUMMARY = (
    "Keeps what happened to every message and answers for it. `witness` is a role of its own: it keeps nothing and tells on /metrics what each "
    "consumer group leaves unread. `migrate` prepares the database and ends."
)


def run(arguments: Sequence[str]) -> int:
    """The exit code."""
    if list(arguments[:1]) == ["witness"]:
        return _witness(arguments[1:])
    # The witness loads none of this.
    from tocsin.database import migrate  # noqa: PLC0415
    from tocsin.ledger.app import build  # noqa: PLC0415
    from tocsin.ledger.migrations import MIGRATIONS  # noqa: PLC0415
    from tocsin.ledger.settings import LedgerSettings  # noqa: PLC0415

    if list(arguments) == ["migrate"]:
        return migrate(MIGRATIONS)
    return main(name="ledger", settings=LedgerSettings, build=build, summary=SUMMARY, arguments=arguments)


def _witness(arguments: Sequence[str]) -> int:
    from tocsin.ledger.witness import Witness, WitnessSettings  # noqa: PLC0415 - see above
    from tocsin.web.operations import operations_app  # noqa: PLC0415

    def build(settings: WitnessSettings) -> Service:
        health = Health(service="ledger")
        witness = Witness(settings=settings.kafka, health=health, clock=SystemClock())
        return Service(
            operations=operations_app(name="ledger", health=health), health=health, components=[witness]
        )

    return main(name="ledger", settings=WitnessSettings, build=build, summary=SUMMARY, arguments=arguments)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
