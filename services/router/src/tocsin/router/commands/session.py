"""A command's own way to the database: one engine, for as long as the command runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn

import typer
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from tocsin.database import DatabaseSettings, create_engine
from tocsin.router.migrations import MIGRATIONS
from tocsin.runtime import OperatorError, load_settings


@asynccontextmanager
async def database() -> AsyncIterator[AsyncEngine]:
    """An engine on the migrated directory; ends the command with one sentence when there is none."""
    settings = load_settings(DatabaseSettings)
    engine = create_engine(settings, application="command")
    try:
        await MIGRATIONS.require(engine)
        yield engine
    except OperatorError as error:
        refuse(str(error))
    except (OSError, TimeoutError, DBAPIError) as error:
        refuse(f"{settings.place} does not answer as it should: {type(error).__name__}.")
    finally:
        await engine.dispose()


def refuse(sentence: str) -> NoReturn:
    """End the command with exit code 1 and the reason on stderr."""
    typer.echo(sentence, err=True)
    raise typer.Exit(1)
