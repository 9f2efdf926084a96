"""The JSON API, the stream, the timeline look-up, and the life of the process."""

import contextlib
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tocsin.catcher.testing import RunningCatcher

Starter = Callable[..., RunningCatcher]
Stack = tuple[str, list[tuple[str, str]], dict[str, Any]]


def mail(
    catcher: RunningCatcher, *, to: str = "ada@example.com", subject: str = "Hello", notification: str = ""
) -> None:
    headers = f"From: shop@acme.example\r\nSubject: {subject}\r\nX-Tocsin-Notification: {notification}\r\n"
    catcher.raw_mail(f"{headers}\r\nHello\r\n".encode(), to=to)


def sms(catcher: RunningCatcher, *, to: str = "+14155552671", body: str = "Hello") -> None:
    catcher.sms({"To": to, "From": "12345", "Body": body}).raise_for_status()


@contextlib.contextmanager
def events(catcher: RunningCatcher) -> Iterator[Iterator[tuple[str, Any]]]:
    """The stream as (event, data), begun: its `hello` is read."""

    def parsed(lines: Iterator[str]) -> Iterator[tuple[str, Any]]:
        name = ""
        for line in lines:
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            if line.startswith("data: "):
                yield name, json.loads(line.removeprefix("data: "))

    with httpx.stream("GET", f"{catcher.url}/api/stream", timeout=20) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        told = parsed(answer.iter_lines())
        assert next(told) == ("hello", {})
        yield told


def test_newest_first_by_channel_recipient_and_time(catcher: RunningCatcher) -> None:
    mail(catcher, subject="first")
    sms(catcher)
    mail(catcher, subject="last", to="grete@example.de")

    assert [message.get("subject") for message in catcher.messages()] == ["last", None, "first"]
    assert [message["subject"] for message in catcher.messages(channel="email")] == ["last", "first"]
    assert [message["channel"] for message in catcher.messages(to="+14155552671")] == ["sms"]
    assert len(catcher.messages(limit="2")) == 2
    newest = catcher.messages()[0]["received_at"]
    assert [message["subject"] for message in catcher.messages(since=newest)] == ["last"]
    assert catcher.messages(since=(datetime.now(UTC) + timedelta(minutes=1)).isoformat()) == []
    unescaped = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    assert len(httpx.get(f"{catcher.url}/api/messages?since={unescaped}").json()) == 3


@pytest.mark.parametrize("query", ["channel=pigeon", "since=yesterday", "limit=0", "limit=all"])
def test_a_question_that_makes_no_sense_is_refused(catcher: RunningCatcher, query: str) -> None:
    assert httpx.get(f"{catcher.url}/api/messages?{query}").status_code == 422


def test_brief_leaves_out_what_is_large(catcher: RunningCatcher) -> None:
    mail(catcher)
    [brief] = catcher.messages(brief="true")
    assert not {"html", "text", "headers", "raw"} & brief.keys()
    assert brief["preview"] == "Hello"


def test_clearing_forgets_everything(catcher: RunningCatcher) -> None:
    mail(catcher)
    [message] = catcher.messages()
    assert httpx.delete(f"{catcher.url}/api/messages").status_code == 204
    assert catcher.messages() == []
    assert httpx.get(f"{catcher.url}/api/messages/{message['id']}").status_code == 404


def test_only_the_last_messages_are_kept(start_catcher: Starter) -> None:
    catcher = start_catcher(CATCHER_KEEP="3")
    for number in range(5):
        sms(catcher, body=str(number))
    assert [message["body"] for message in catcher.messages()] == ["4", "3", "2"]


def test_the_stream_tells_what_happens(catcher: RunningCatcher) -> None:
    with events(catcher) as told:
        mail(catcher, subject="live")
        name, message = next(told)
        assert (name, message["subject"]) == ("caught", "live")
        assert message == catcher.messages(brief="true")[0]
        httpx.delete(f"{catcher.url}/api/messages")
        assert next(told) == ("cleared", {})


def test_the_page_and_every_answer_keep_strangers_out(catcher: RunningCatcher) -> None:
    for path in ("/", "/page/catcher.js", "/api/messages"):
        headers = httpx.get(f"{catcher.url}{path}").raise_for_status().headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_the_page_loads_nothing_from_elsewhere(catcher: RunningCatcher) -> None:
    page = httpx.get(catcher.url).text
    assert "://" not in page.replace("http://www.w3.org", "")


def test_a_mails_html_is_served_sandboxed(catcher: RunningCatcher) -> None:
    html = "<!DOCTYPE html><p>Hello</p><script>alert(1)</script>"
    source = f"From: a@b.example\r\nContent-Type: text/html\r\n\r\n{html}"
    catcher.raw_mail(source.encode())
    answer = httpx.get(f"{catcher.url}/api/messages/{catcher.messages()[0]['id']}/html")
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox ")
    assert "allow-scripts" not in policy
    assert "allow-same-origin" not in policy
    assert "default-src 'none'" in policy
    assert answer.text.startswith('<!DOCTYPE html><base target="_blank"><p>Hello</p>')


@pytest.fixture
def stack() -> Iterator[Stack]:
    """A stack's entry: its URL, the questions asked of it, and the answer it gives (status, body)."""
    asked: list[tuple[str, str]] = []
    answer: dict[str, Any] = {"status": 200, "body": {"timeline": [{"status": "accepted"}]}, "headers": {}}

    class Entry(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, self.headers.get("Authorization", "")))
            self.send_response(answer["status"])
            for name, value in answer["headers"].items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(json.dumps(answer["body"]).encode())

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Entry)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked, answer
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_timeline_is_asked_for_with_a_key_that_stays_here(start_catcher: Starter, stack: Stack) -> None:
    url, asked, answer = stack
    catcher = start_catcher(CATCHER_ENTRY_URL=url, CATCHER_API_KEY="tk_live_1_secret")
    notification = str(uuid4())
    mail(catcher, notification=notification)
    timeline = f"{catcher.url}/api/messages/{catcher.messages()[0]['id']}/timeline"

    assert httpx.get(timeline).json() == answer["body"]
    assert asked == [(f"/v1/timelines/{notification}", "Bearer tk_live_1_secret")]
    assert "secret" not in httpx.get(f"{catcher.url}/api/setup").text

    answer.update(status=404, headers={"Retry-After": "2"})
    early = httpx.get(timeline)
    assert (early.status_code, early.headers["Retry-After"]) == (404, "2")

    answer.update(status=403)
    assert httpx.get(timeline).status_code == 503


def test_the_stack_may_come_later(start_catcher: Starter, stack: Stack, tmp_path: Path) -> None:
    url, _, _ = stack
    endpoints = tmp_path / "endpoints.json"
    catcher = start_catcher(CATCHER_ENDPOINTS_FILE=str(endpoints))
    mail(catcher, notification=str(uuid4()))
    timeline = f"{catcher.url}/api/messages/{catcher.messages()[0]['id']}/timeline"
    assert httpx.get(timeline).status_code == 503
    assert httpx.get(f"{catcher.url}/api/setup").json() == {"entry": None, "sample": {}}

    endpoints.write_text(
        json.dumps({"entry": url, "api_key": "tk_live_1_x", "sample": {"workflow": "shipped"}})
    )
    assert httpx.get(timeline).status_code == 200
    assert httpx.get(f"{catcher.url}/api/setup").json() == {"entry": url, "sample": {"workflow": "shipped"}}


def test_a_message_without_ids_has_no_timeline(start_catcher: Starter, stack: Stack) -> None:
    catcher = start_catcher(CATCHER_ENTRY_URL=stack[0], CATCHER_API_KEY="tk_live_1_x")
    mail(catcher)
    answer = httpx.get(f"{catcher.url}/api/messages/{catcher.messages()[0]['id']}/timeline")
    assert answer.status_code == 503
    assert "no notification id" in answer.json()["detail"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_good_order_though_a_browser_follows(
    start_catcher: Starter, number: signal.Signals
) -> None:
    catcher = start_catcher()
    with events(catcher) as told:
        catcher.process.send_signal(number)
        assert list(told) == []
    assert catcher.process.wait(10) == 0


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"CATCHER_HTTP_PORT": "many"}, "CATCHER_HTTP_PORT"),
        ({"CATCHER_KEEP": "0"}, "CATCHER_KEEP"),
        ({"CATCHER_ENTRY_URL": "http://127.0.0.1:1"}, "CATCHER_API_KEY must be set together"),
    ],
    ids=str,
)
def test_a_setting_that_makes_no_sense_ends_it_with_one_sentence(settings: dict[str, str], said: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tocsin.catcher"], env=settings, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert said in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_a_port_that_is_taken_is_said(start_catcher: Starter) -> None:
    taken = start_catcher().url.rpartition(":")[2]
    environment = {"CATCHER_HTTP_PORT": taken}
    ended = subprocess.run(
        [sys.executable, "-m", "tocsin.catcher"], env=environment, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, len(ended.stderr.splitlines())) == (1, 1)


def test_help_lists_every_setting() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "tocsin.catcher", "--help"], capture_output=True, text=True, check=True
    )
    for name in ("CATCHER_HTTP_PORT", "CATCHER_PORTS_FILE", "CATCHER_ENDPOINTS_FILE"):
        assert name in shown.stdout
