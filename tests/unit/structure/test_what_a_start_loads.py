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
NOBODY = {
    "alembic",
    "mako",
    "jmespath",
    "typer",
    "opentelemetry.sdk",
    "opentelemetry.exporter",
    "grpc",
    "phonenumbers",
    "structlog",
    "rich",
}
"""What a command needs, a setting that is off unless it is made, a terminal, or a value of a rare form."""
HTTP_CLIENTS = {"aiohttp", "httpx"}
"""What only providers that speak HTTP need."""
OF_HTTPX = {"rich"}
"""Of its command line, where that is installed."""
LOADED = "import sys, {}; print(*sys.modules)"


def test_what_web_offers_stays_itself_once_all_its_modules_are_loaded() -> None:
    """A module of the same name would take a function's place."""
    for module in sorted(path.stem for path in Path(web.__file__).parent.glob("[a-z]*.py")):
        import_module(f"tocsin.web.{module}")
    modules = {name for name in web.__all__ if isinstance(getattr(web, name), ModuleType)}
    assert modules == {"codes"}


@pytest.mark.parametrize(
    ("modules", "unneeded"),
    [
        ("dispatch_email.__main__", WITHOUT_API | NOBODY | HTTP_CLIENTS | {"jinja2"}),
        ("dispatch_sms.__main__", WITHOUT_API | NOBODY - OF_HTTPX | {"jinja2", "aiosmtplib"}),
        ("dispatch_push.__main__", WITHOUT_API | NOBODY - OF_HTTPX | {"jinja2", "aiosmtplib"}),
        ("dispatch_webhook.__main__", WITHOUT_API | NOBODY - OF_HTTPX | {"jinja2", "aiosmtplib"}),
        ("dispatch_inapp.__main__", NOBODY | HTTP_CLIENTS | {"jinja2", "aiosmtplib"}),
        ("ingest.__main__", NOBODY | HTTP_CLIENTS | {"sqlalchemy", "asyncpg", "jinja2", "aiosmtplib"}),
        ("ledger.__main__", NOBODY | HTTP_CLIENTS | {"jinja2", "aiosmtplib"}),
        ("scheduler.__main__", NOBODY | HTTP_CLIENTS | {"fastapi", "jinja2", "aiosmtplib"}),
        ("router.__main__", NOBODY | HTTP_CLIENTS | {"fastapi", "jinja2", "aiosmtplib"}),
        ("router.__main__ router.worker", NOBODY - {"jmespath"} | HTTP_CLIENTS | {"fastapi", "aiosmtplib"}),
        ("router.__main__ router.api_role", NOBODY - {"jmespath"} | HTTP_CLIENTS | {"aiosmtplib"}),
    ],
)
def test_no_service_loads_what_only_others_need(modules: str, unneeded: set[str]) -> None:
    loads = ", ".join(f"tocsin.{module}" for module in modules.split())
    command = [sys.executable, "-c", LOADED.format(loads)]
    loaded = set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert loaded & unneeded == set()
