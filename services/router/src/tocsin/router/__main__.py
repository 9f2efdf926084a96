"""`python -m tocsin.router [api|worker|all|migrate]`: both roles in one process, unless one is named."""

import gc
import sys
from collections.abc import Sequence
from functools import partial

if __name__ == "__main__":
    gc.disable()  # what follows makes no garbage, and looking for it took up to a quarter of the start; `main` enables it

from tocsin.database import Database, migrate
from tocsin.router.migrations import MIGRATIONS
from tocsin.router.settings import RouterSettings
from tocsin.runtime import Api, Component, Health, Service, SystemClock, arm, main
from tocsin.web.operations import operations_app

NAME = "router"
ROLES = ("api", "worker", "all")
SUMMARY = (
    "Decides who hears of an event, and owns the directory. Give a role: api (HTTP API, unsubscribe page, relay), "
    "worker (decides), all (both; the default); or migrate, which prepares the database and ends."
)


def build(settings: RouterSettings, *, role: str) -> Service:
    """The service in one of its roles."""
    health, clock, failpoints = Health(service=NAME), SystemClock(), arm(settings.failpoints)
    database = Database(
        settings=settings.database, service=NAME, check=health.check("database"), migrations=MIGRATIONS
    )
    components: list[Component] = [database]
    api: Api | None = None
    # Each role is half of what there is to load.
    if role in {"api", "all"}:
        from tocsin.router.api_role import api_role  # noqa: PLC0415 - see above

        app, own = api_role(
            settings=settings, database=database, health=health, clock=clock, failpoints=failpoints
        )
        api = Api(app=app, settings=settings.http)
        components += own
    if role in {"worker", "all"}:
        from tocsin.router.worker import worker_components  # noqa: PLC0415 - see above

        components += worker_components(
            settings=settings, database=database, health=health, clock=clock, failpoints=failpoints
        )
    operations = operations_app(name=NAME, health=health)
    return Service(operations=operations, api=api, health=health, components=components)


def run(arguments: Sequence[str]) -> int:
    """The exit code."""
    if list(arguments) == ["migrate"]:
        return migrate(MIGRATIONS)
    role = "all"
    if arguments and arguments[0] in ROLES:
        role, *arguments = arguments
    return main(
        name=NAME,
        settings=RouterSettings,
        build=partial(build, role=role),
        summary=SUMMARY,
        arguments=arguments,
    )


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
