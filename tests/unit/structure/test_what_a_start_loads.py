"""A service loads at its start what it needs, and nothing that others need: loading is most of the seconds from start to ready."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from tocsin import web

WITHOUT_API = {"fastapi", "email_validator", "sqlalchemy", "asyncpg"}
"""What only a service with an API or a database needs."""
NOBODY = {"alembic", "mako", "jmespath", "typer", "opentelemetry.sdk", "opentelemetry.exporter", "grpc"}
"""What a command needs, or a setting that is off unless it is made."""
LOADED = "import sys, tocsin.{}.__main__; print(*sys.modules)"


def test_what_web_offers_stays_itself_once_all_its_modules_are_loaded() -> None:
    """A module of the same name would take a function's place."""
    for module in sorted(path.stem for path in Path(web.__file__).parent.glob("[a-z]*.py")):
        import_module(f"tocsin.web.{module}")
    modules = {name for name in web.__all__ if isinstance(getattr(web, name), ModuleType)}
    assert modules == {"codes"}


@pytest.mark.parametrize(
    ("service", "unneeded"),
    [
        ("dispatch_email", WITHOUT_API | NOBODY | {"jinja2", "phonenumbers"}),
        ("dispatch_sms", WITHOUT_API | NOBODY | {"jinja2", "aiosmtplib"}),
        ("dispatch_push", WITHOUT_API | NOBODY | {"jinja2", "aiosmtplib"}),
        ("ingest", NOBODY | {"sqlalchemy", "asyncpg", "jinja2", "aiosmtplib"}),
        ("ledger", NOBODY | {"jinja2", "aiosmtplib", "phonenumbers"}),
        ("router", (NOBODY - {"jmespath"}) | {"aiosmtplib"}),
    ],
)
def test_no_service_loads_what_only_others_need(service: str, unneeded: set[str]) -> None:
    command = [sys.executable, "-c", LOADED.format(service)]
    loaded = set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert loaded & unneeded == set()
