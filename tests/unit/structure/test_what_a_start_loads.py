"""A service loads at its start what it needs, and nothing that others need: loading is most of the seconds from start to ready."""

import subprocess
import sys

import pytest

WITHOUT_API = {"fastapi", "email_validator", "sqlalchemy", "asyncpg"}
"""What only a service with an API or a database needs."""
NOBODY = {"alembic", "mako", "jmespath", "typer", "opentelemetry.sdk", "opentelemetry.exporter", "grpc"}
"""What a command needs, or a setting that is off unless it is made."""
LOADED = "import sys, tocsin.{}.__main__; print(*sys.modules)"


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
