"""`tocsin webhooks listen`: what endpoints would have got comes to a port of this machine, signed, a line each, until Ctrl-C."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook
from tests.threaded_server import answering

from .conftest import Entry, Run, interrupted

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = '{"type":"com.shop.order.shipped","timestamp":"2026-03-01T12:00:00Z","data":{"body":"Grüße"}}'


# What the entry shows is stored after the command has begun.
def webhook(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "webhook_id": f"w-{number}", "endpoint": "shop", "status": "sent", "reason": None,
        "stored_at": f"2126-03-01T12:00:0{number}.123456Z", "body": BODY,
    } | fields  # fmt: skip


def page(*webhooks: dict[str, Any], cursor: str | None = None) -> dict[str, Any]:
    return {"data": list(webhooks), "next_cursor": cursor, "has_more": cursor is not None}


class Program:
    """What a developer writes: it verifies each request, and answers as told."""

    def __init__(self) -> None:
        self.url = ""
        self.got: list[tuple[str, Any]] = []
        self.answer = 204


@pytest.fixture
def program() -> Iterator[Program]:
    own = Program()

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            assert headers["content-type"] == "application/json"
            own.got.append((headers["webhook-id"], Webhook(SECRET).verify(body, headers)))
            self.send_response(own.answer)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Says nothing."""

    with answering(Answers) as url:
        own.url = f"{url}/webhooks"
        yield own


def lines(out: str) -> list[list[str]]:
    """The cells of each line, without how long it took."""
    return [line.split("\t")[:-1] for line in out.splitlines()]


def test_each_comes_once_signed_and_is_a_line(entry: Entry, program: Program, tmp_path: Path) -> None:
    entry.will_answer(200, page(webhook(1), webhook(2, endpoint="other"), cursor="c"))
    entry.will_answer(200, page(webhook(3, status="failed")))
    entry.will_answer(200, page(webhook(3, status="failed"), webhook(4)))
    ran = interrupted(
        entry, tmp_path, "webhooks", "listen", program.url, "--endpoint", "shop", "--secret", SECRET, after=4
    )
    assert ran.code == 0
    assert [name for name, _ in program.got] == ["w-1", "w-3", "w-4"]
    assert program.got[0][1] == json.loads(BODY)
    assert lines(ran.out) == [
        [f"2126-03-01T12:00:0{number}.123", "shop", f"w-{number}", status, "204"]
        for number, status in ((1, "sent"), (3, "failed"), (4, "sent"))
    ]
    assert ran.err.splitlines()[0].startswith(
        f"Webhooks of your test key come to {program.url}, signed with whsec_"
    )
    assert ran.err.splitlines()[-1] == "Ended."
    assert entry.asked[0][1].startswith("/v1/test-webhooks?since=")
    assert "cursor=c" in entry.asked[1][1]


def test_what_the_program_answers_is_shown_and_that_nobody_answers(
    entry: Entry, program: Program, tmp_path: Path
) -> None:
    program.answer = 500
    entry.will_answer(200, page(webhook(1), webhook(2, body=None)))
    ran = interrupted(entry, tmp_path, "webhooks", "listen", program.url, "--secret", SECRET, after=2)
    assert [line[-1] for line in lines(ran.out)] == ["500", "no longer kept"]
    nobody = interrupted(entry, tmp_path, "webhooks", "listen", "http://127.0.0.1:1/", after=5)
    assert [line[-1] for line in lines(nobody.out)] == ["nobody answers there", "no longer kept"]


@pytest.mark.parametrize(
    "target",
    [
        "https://127.0.0.1:3000/",
        "http://example.com/",
        "http://127.0.0.1@example.com/",
        "http://a@127.0.0.1/",
        "http://10.0.0.1/",
        "3000",
        "http://[/",
    ],
)
def test_it_sends_to_this_machine_alone(tocsin: Run, entry: Entry, target: str) -> None:
    ran = tocsin("webhooks", "listen", target, **entry.env)
    assert (ran.code, ran.err.strip()) == (
        2,
        "Give an address of this machine, such as http://127.0.0.1:3000/webhooks.",
    )
    assert entry.asked == []


def test_a_secret_that_is_none_is_refused(tocsin: Run, entry: Entry) -> None:
    for secret in ("abc", "whsec_", "whsec_####", "whsec_" + "A" * 8):
        ran = tocsin("webhooks", "listen", "http://localhost:3000/", "--secret", secret, **entry.env)
        assert ran.code == 2
        assert secret not in ran.err.replace("`whsec_`", "") or secret == "whsec_"


def test_a_live_key_is_told_so(tocsin: Run, entry: Entry) -> None:
    problem = {"title": "This is not allowed", "code": "forbidden", "detail": "Ask with a test key."}
    entry.will_answer(403, problem, kind="application/problem+json")
    ran = tocsin("webhooks", "listen", "http://localhost:3000/", **entry.env)
    assert (ran.code, ran.err.splitlines()[-1]) == (
        1,
        "This is not allowed (forbidden): Ask with a test key.",
    )
