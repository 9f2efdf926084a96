"""Where PostgreSQL is: what is accepted, what is refused, what is shown."""

import ssl
from pathlib import Path

import certifi
import pytest
from pydantic import SecretStr

from tocsin.database import DatabaseSettings
from tocsin.runtime import SettingsInvalid, read_settings


def settings(url: str, **fields: object) -> DatabaseSettings:
    return DatabaseSettings.model_validate({"url": SecretStr(url), **fields})


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_all_spellings_reach_the_same_driver(scheme: str) -> None:
    url = settings(f"{scheme}://ann:pw@db:5433/tocsin?sslmode=require").sqlalchemy_url
    assert url.render_as_string(hide_password=False) == "postgresql+asyncpg://ann:pw@db:5433/tocsin"


def test_a_socket_folder_stays_in_the_url() -> None:
    made = settings("postgresql://postgres@/tocsin?host=/run/a%20folder")
    assert made.sqlalchemy_url.query == {"host": "/run/a folder"}
    assert made.place == "PostgreSQL at /run/a folder:5432, database tocsin"


def test_neither_user_nor_password_is_shown() -> None:
    made = settings("postgresql://ann:s3cret@db/tocsin")
    assert made.place == "PostgreSQL at db:5432, database tocsin"
    assert "s3cret" not in repr(made)


@pytest.mark.parametrize(
    ("query", "tls", "mode"),
    [("", None, "prefer"), ("?sslmode=require", None, "require"), ("?sslmode=require", "disable", "disable")],
)
def test_tls_is_the_setting_then_the_urls_then_prefer(query: str, tls: str | None, mode: str) -> None:
    assert settings(f"postgresql://db/tocsin{query}", tls=tls).connect_arguments["ssl"] == mode


@pytest.mark.parametrize(("tls", "checks_name"), [("verify-ca", False), ("verify-full", True)])
def test_verifying_trusts_only_the_named_authorities(tls: str, checks_name: bool) -> None:
    made = settings("postgresql://db/tocsin", tls=tls, tls_ca=Path(certifi.where()))
    context = made.connect_arguments["ssl"]
    assert isinstance(context, ssl.SSLContext)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname is checks_name


@pytest.mark.parametrize(
    ("variables", "fault"),
    [
        ({}, "DATABASE_URL is not set; set it to: postgresql://user:password@host:port/database."),
        (
            {"DATABASE_URL": "s3cret"},
            "DATABASE_URL is not a URL; write postgresql://user:password@host:port/database.",
        ),
        (
            {"DATABASE_URL": "mysql://a:s3cret@db/x"},
            "DATABASE_URL begins with mysql://; only postgresql:// is supported.",
        ),
        ({"DATABASE_URL": "postgresql://a:s3cret@db"}, "DATABASE_URL names no database; end it with /name."),
        (
            {"DATABASE_URL": "postgresql://db/x", "DATABASE_TLS_CA": "/nowhere"},
            "DATABASE_TLS_CA is not a file; name the PEM file of the authorities to trust.",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], fault: str
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsInvalid) as caught:
        read_settings(DatabaseSettings)
    assert caught.value.faults == [fault]
