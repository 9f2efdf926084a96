"""What leaves the process as a log line."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from tests.log_lines import lines_of

from tocsin.observability import MASK, bound, configure_logging, get_logger, redact, span
from tocsin.observability.log_fields import FieldNames

SECRETS = [
    "ann@example.com",
    "ann.o'neil+news@mail.example.co.uk",
    "bücher@bücher.example",
    "+31612345678",
    "+1 (415) 555-0100",
    "tk_live_AbCd1234_0123456789abcdef0123456789",
    "Bearer abcdef0123456789",
    "Basic QUM6dG9rZW4=",
    "fcmtokenfcmtoken_123:APA91bHun4MxP5egoKMwt2KZFBaFUH-1RYqx",
    "eyJhbGciOiJIUzI1.eyJpc3MiOiJ0b2NzaW4.c2lnbmF0dXJl",
]


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Where JSON logs go while the test runs; the process's logging is as before afterwards."""
    with lines_of("ingest") as out:
        yield out


def raised(error: Exception) -> Exception:
    """The error with a traceback."""
    try:
        raise error
    except type(error) as caught:
        return caught


def read(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_line_is_json_with_its_ids(lines: io.StringIO) -> None:
    with bound(delivery_id="d1"):
        get_logger("tocsin.ingest").info("job sent", provider="smtp", attempt=2)
    (line,) = read(lines)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "job sent",
        "level": "info",
        "logger": "tocsin.ingest",
        "service": "ingest",
        "delivery_id": "d1",
        "provider": "smtp",
        "attempt": 2,
    }


def test_a_line_names_its_release_and_its_trace(lines: io.StringIO) -> None:
    configure_logging("ingest", json=True, version="1.2.3", stream=lines)
    with span("accept", traceparent=f"00-{'a' * 32}-{'b' * 16}-00"):
        get_logger("test").info("inside")
    get_logger("test").info("outside")
    inside, outside = read(lines)
    assert inside["version"] == outside["version"] == "1.2.3"
    assert (inside["trace_id"], inside["span_id"]) == ("a" * 32, "b" * 16)
    assert "trace_id" not in outside


@pytest.mark.parametrize(
    ("names", "when", "fields"),
    [
        ("plain", "timestamp", {"level": "warning", "event": "away", "trace_id": "a" * 32}),
        (
            "gcp",
            "time",
            {"severity": "WARNING", "message": "away", "logging.googleapis.com/trace": "a" * 32},
        ),
        ("ecs", "@timestamp", {"log.level": "warning", "message": "away", "trace.id": "a" * 32}),
    ],
)
def test_a_platform_finds_the_names_that_it_looks_for(
    lines: io.StringIO, names: FieldNames, when: str, fields: dict[str, str]
) -> None:
    configure_logging("ingest", json=True, names=names, stream=lines)
    with span("accept", traceparent=f"00-{'a' * 32}-{'b' * 16}-00"):
        get_logger("test").warning("away", attempts=3)
    (line,) = read(lines)
    assert line[when].endswith("Z")
    assert line.items() >= (fields | {"attempts": 3}).items()


def test_in_the_common_schema_no_field_is_both_a_value_and_an_object(lines: io.StringIO) -> None:
    """Elasticsearch refuses a line that has a value where others have an object."""
    configure_logging("ingest", json=True, version="1.2.3", names="ecs", stream=lines)
    with span("accept", traceparent=f"00-{'a' * 32}-{'b' * 16}-00"):
        facts = {"source": "https://shop.example", "group": "router.bulk", "host": "::", "reason": "gone"}
        get_logger("test").warning("away", error="ValueError", exc_info=raised(ValueError("no")), **facts)
    (line,) = read(lines)
    assert line["error.message"] == "ValueError"
    assert line["error.stack_trace"].startswith("Traceback")
    assert (
        line.items()
        >= {
            "tocsin.source": "https://shop.example",
            "tocsin.group": "router.bulk",
            "tocsin.host": "::",
            "reason": "gone",
        }.items()
    )
    objects = {name.rpartition(".")[0] for name in line} - {""}
    assert not objects & line.keys()


def test_ids_bound_inside_others_join_them_and_go_again(lines: io.StringIO) -> None:
    log = get_logger("test")
    with bound(tenant="acme", delivery_id="d1"):
        with bound(delivery_id="d2"):
            log.info("inner", attempt=1)
        log.info("outer", tenant="said here")
    log.info("none")
    inner, outer, none = read(lines)
    assert (inner["tenant"], inner["delivery_id"]) == ("acme", "d2")
    assert (outer["tenant"], outer["delivery_id"]) == ("said here", "d1")
    assert "tenant" not in none
    assert "delivery_id" not in none


@pytest.mark.parametrize("name", ["aiokafka.consumer", "uvicorn.error", "sqlalchemy.engine", "asyncio"])
def test_everyone_elses_logs_go_the_same_way(lines: io.StringIO, name: str) -> None:
    with bound(request_id="r1"):
        logging.getLogger(name).warning("lost %s of %d", "one", 3, extra={"topic": "t"})
        logging.getLogger(name).info("nothing new")
    (line,) = read(lines)
    assert (line["event"], line["logger"], line["request_id"], line["topic"]) == (
        "lost one of 3",
        name,
        "r1",
        "t",
    )


@pytest.mark.parametrize("secret", SECRETS)
def test_no_address_key_or_token_leaves(lines: io.StringIO, secret: str) -> None:
    log = get_logger("test")
    log.info("told", to=secret, nested={"list": [secret], secret: 1}, foreign=ValueError(secret))
    logging.getLogger("aiosmtplib").warning("550 <%s> unknown", secret)
    log.error("failed", exc_info=raised(RuntimeError(f"first line, {secret}")))
    assert len(read(lines)) == 3
    assert secret not in lines.getvalue()
    assert lines.getvalue().count(MASK) == 6


@pytest.mark.parametrize(
    "harmless",
    [
        "2026-11-22T12:39:46.878539+00:00",
        "tocsin.events.critical/3/1234567890",
        "0f6f1c1e-5d7b-5a2e-8a3e-0c1d2e3f4a5b",
        "line 12 in send: x + 1234567",
        "http://localhost:9092/v1",
        "dispatch-email.critical.3",
    ],
)
def test_what_is_needed_stays(harmless: str) -> None:
    assert redact(harmless) == harmless


def test_the_password_in_a_url_goes_and_the_host_stays() -> None:
    assert redact("postgresql://tocsin:secret@localhost:5432/db") == f"postgresql://{MASK}@localhost:5432/db"


def test_redaction_is_linear_in_a_long_word() -> None:
    for word in ("a" * 200_000, "a-" * 100_000, "+1" * 100_000, "eyJ" * 60_000, "x@" * 100_000):
        redact(word)


def test_a_terminal_gets_readable_lines_without_secrets(lines: io.StringIO) -> None:
    configure_logging("ingest", json=False, stream=lines)
    get_logger("test").error("failed", count=1, exc_info=raised(ValueError("ann@example.com")))
    text = lines.getvalue()
    assert "failed" in text
    assert "ValueError" in text
    assert "ann@example.com" not in text
