"""`tocsin send` and `tocsin timeline`: what they ask, and what a person and a program read."""

import json
from pathlib import Path
from typing import Any

import pytest

from .conftest import Entry, Run

ACCEPTED: dict[str, Any] = {
    "event_id": "e-1",
    "notifications": [
        {"recipient": "ann", "notification_id": "11111111-0000-5000-8000-000000000001"},
        {"recipient": "bob", "notification_id": "11111111-0000-5000-8000-000000000002"},
    ],
}
HAPPENED: dict[str, Any] = {
    "summary": {"workflow": "shipped", "recipient": "ann", "state": "partly_sent"},
    "timeline": [
        {"at": "2026-03-01T12:00:00.123456Z", "status": "accepted", "channel": None},
        {"at": "2026-03-01T12:00:01.000000Z", "status": "skipped", "channel": "sms", "rule": "preference"},
        {"at": "2026-03-01T12:00:02.000000Z", "status": "sent", "channel": "email", "provider": "smtp"},
    ],
}
PROBLEM = {
    "title": "Invalid data",
    "code": "invalid_data",
    "detail": "The data break the workflow's schema.",
    "errors": [
        {"pointer": "/data/order", "detail": "is required"},
        {"pointer": "", "detail": "has a field too many"},
    ],
}


def test_send_asks_for_a_notification_and_prints_a_line_for_each(tocsin: Run, entry: Entry) -> None:
    entry.will_answer(202, ACCEPTED)
    ran = tocsin(
        "send", "shipped", "ann", "bob", "--data", '{"order": 7}', "--idempotency-key", "k-1", **entry.env
    )
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        f"{notification['recipient']}\t{notification['notification_id']}"
        for notification in ACCEPTED["notifications"]
    ]
    ((method, path, headers, body),) = entry.asked
    assert (method, path) == ("POST", "/v1/notifications")
    assert body == {"workflow": "shipped", "recipients": ["ann", "bob"], "data": {"order": 7}}
    assert headers["authorization"] == "Bearer tk_live_k_secret"
    assert headers["idempotency-key"] == "k-1"


def test_send_in_json_is_the_answer_as_it_came(tocsin: Run, entry: Entry) -> None:
    entry.will_answer(202, ACCEPTED)
    assert tocsin("send", "shipped", "ann", "--json", **entry.env).json == ACCEPTED
    assert "idempotency-key" not in entry.asked[0][2]


def test_send_on_a_terminal_is_a_table_with_a_title(tocsin_on_terminal: Run, entry: Entry) -> None:
    entry.will_answer(202, ACCEPTED)
    ran = tocsin_on_terminal("send", "shipped", "ann", **entry.env)
    assert ran.code == 0
    assert "Event e-1 accepted" in ran.out
    assert "recipient" in ran.out
    assert "\t" not in ran.out


def test_a_problem_is_told_in_sentences_one_for_each_fault(tocsin: Run, entry: Entry) -> None:
    entry.will_answer(422, PROBLEM, kind="application/problem+json")
    ran = tocsin("send", "shipped", "ann", **entry.env)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.splitlines() == [
        "Invalid data (invalid_data): The data break the workflow's schema.",
        "  /data/order: is required",
        "  /: has a field too many",
    ]


def test_an_answer_that_is_not_tocsin_s_is_told_by_its_status(tocsin: Run, entry: Entry) -> None:
    entry.will_answer(502, "<h1>Bad gateway</h1>", kind="text/html")
    ran = tocsin("send", "shipped", "ann", **entry.env)
    assert (ran.code, ran.err) == (1, f"{entry.url}/v1/notifications answered 502.\n")


@pytest.mark.parametrize(
    ("data", "says"), [("{", "--data is no JSON"), ("[1]", "--data must be a JSON object.")]
)
def test_data_that_cannot_be_meant_are_refused_before_asking(
    tocsin: Run, entry: Entry, data: str, says: str
) -> None:
    ran = tocsin("send", "shipped", "ann", "--data", data, **entry.env)
    assert ran.code == 2
    assert ran.err.startswith(says)
    assert len(ran.err.splitlines()) == 1
    assert entry.asked == []


@pytest.mark.parametrize("command", [("send", "shipped", "ann"), ("timeline", "n-1")])
def test_without_an_address_it_says_how_to_give_one(tocsin: Run, command: tuple[str, ...]) -> None:
    ran = tocsin(*command)
    assert (ran.code, ran.out) == (2, "")
    assert "TOCSIN_URL" in ran.err
    assert "make up" in ran.err
    assert len(ran.err.splitlines()) == 1


@pytest.mark.parametrize("command", [("send", "shipped", "ann"), ("timeline", "n-1")])
def test_an_entry_that_is_not_there_is_one_sentence(tocsin: Run, command: tuple[str, ...]) -> None:
    ran = tocsin(*command, "--url", "http://127.0.0.1:1", "--key", "k")
    assert ran.code == 1
    assert ran.err.startswith("No answer from the entry: ")
    assert len(ran.err.splitlines()) == 1


def test_the_local_stack_is_found_and_what_is_said_comes_first(
    tocsin: Run, entry: Entry, tmp_path: Path
) -> None:
    (tmp_path / ".dev").mkdir()
    told = {"entry": entry.url, "api_key": "tk_live_local"}
    (tmp_path / ".dev" / "endpoints.json").write_text(json.dumps(told))
    entry.will_answer(200, HAPPENED)
    assert tocsin("timeline", "n-1").code == 0
    assert tocsin("timeline", "n-1", "--key", "tk_live_said").code == 0
    assert [headers["authorization"] for _, _, headers, _ in entry.asked] == [
        "Bearer tk_live_local",
        "Bearer tk_live_said",
    ]


def test_a_timeline_is_a_line_for_each_status_with_tabs(tocsin: Run, entry: Entry) -> None:
    entry.will_answer(200, HAPPENED)
    ran = tocsin("timeline", "n-1", **entry.env)
    assert [line.split("\t") for line in ran.out.splitlines()] == [
        ["2026-03-01T12:00:00.123", "", "accepted", "", "", ""],
        ["2026-03-01T12:00:01.000", "sms", "skipped", "preference", "", ""],
        ["2026-03-01T12:00:02.000", "email", "sent", "", "smtp", ""],
    ]
    assert tocsin("timeline", "n-1", "--json", **entry.env).json == HAPPENED
    assert entry.asked[0][:2] == ("GET", "/v1/timelines/n-1")


def test_a_timeline_on_a_terminal_is_a_table_and_markup_from_outside_is_text(
    tocsin_on_terminal: Run, entry: Entry
) -> None:
    said = {"at": "2026-03-01T12:00:03Z", "status": "failed", "channel": "push", "detail": "[red]gone[/red]"}
    entry.will_answer(200, {**HAPPENED, "timeline": [*HAPPENED["timeline"], said]})
    ran = tocsin_on_terminal("timeline", "n-1", **entry.env)
    assert ran.code == 0
    for words in ("shipped for ann", "when (UTC)", "rule or reason", "preference", "[red]gone[/red]"):
        assert words in ran.out


def test_a_timeline_shows_until_when_it_waits_each_call_and_what_came_of_cancelling(
    tocsin: Run, tocsin_on_terminal: Run, entry: Entry
) -> None:
    calls = [
        {"provider": "main", "code": "421", "answer": "throttled", "ms": 12},
        {"provider": "second", "code": None, "answer": "accepted", "ms": 7},
    ]
    happened = [
        {"at": "2026-03-01T12:00:00Z", "status": "scheduled", "due_at": "2026-03-01T13:00:00.000000Z"},
        {"at": "2026-03-01T13:00:00Z", "status": "sent", "channel": "email", "provider": "second", "tries": calls},
        {"at": "2026-03-01T13:00:01Z", "status": "cancel_requested", "detail": "by its id", "tries": []},
    ]  # fmt: skip
    summary = {"workflow": "shipped", "recipient": "ann", "state": "sent", "cancellation": "too_late"}
    entry.will_answer(200, {"summary": summary, "timeline": happened})
    details = [line.split("\t")[5] for line in tocsin("timeline", "n-1", **entry.env).out.splitlines()]
    assert details == [
        "due 2026-03-01T13:00:00",
        "main throttled 421 12 ms; second accepted 7 ms",
        "came to: too_late; by its id",
    ]
    on_terminal = tocsin_on_terminal("timeline", "n-1", **entry.env).out
    assert "shipped for ann: sent, cancellation too_late" in on_terminal


def test_an_id_not_known_yet_is_asked_for_again(tocsin: Run, entry: Entry) -> None:
    entry.will_answer(404, {"title": "Not found", "code": "not_yet_known", "detail": "Too new."})
    entry.will_answer(200, HAPPENED)
    assert tocsin("timeline", "n-1", "--wait", "60", **entry.env).code == 0
    assert len(entry.asked) == 2


def test_an_id_that_stays_unknown_and_one_that_cannot_be(tocsin: Run, entry: Entry) -> None:
    entry.will_answer(404, {"title": "Not found", "code": "not_yet_known", "detail": "Too new."})
    ran = tocsin("timeline", "n-1", "--wait", "0", **entry.env)
    assert (ran.code, ran.err) == (1, "Not found (not_yet_known): Too new.\n")
    entry.answers.clear()
    entry.will_answer(404, {"title": "Not found", "code": "not_found", "detail": "Ids are UUIDs."})
    assert tocsin("timeline", "n-1", "--wait", "60", **entry.env).code == 1
    assert len(entry.asked) == 2  # not waited for


def test_cancel_takes_back_each_notification(tocsin: Run, entry: Entry) -> None:
    entry.will_answer(202, {"event_id": "c-1"})
    entry.will_answer(202, {"event_id": "c-2"})
    ran = tocsin("cancel", "n-1", "a/b", **entry.env)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == ["n-1\tc-1", "a/b\tc-2"]
    assert [(method, path) for method, path, _, _ in entry.asked] == [
        ("DELETE", "/v1/notifications/n-1"),
        ("DELETE", "/v1/notifications/a%2Fb"),
    ]


def test_cancel_takes_back_what_has_a_key(tocsin: Run, entry: Entry) -> None:
    entry.will_answer(202, {"event_id": "c-1"})
    ran = tocsin("cancel", "--cancel-key", "order-1", "--json", **entry.env)
    assert (ran.code, ran.json) == (0, {"order-1": {"event_id": "c-1"}})
    ((method, path, _, body),) = entry.asked
    assert (method, path, body) == ("POST", "/v1/cancellations", {"key": "order-1"})


@pytest.mark.parametrize("arguments", [[], ["n-1", "--cancel-key", "order-1"]])
def test_cancel_names_one_of_the_two(tocsin: Run, entry: Entry, arguments: list[str]) -> None:
    ran = tocsin("cancel", *arguments, **entry.env)
    assert (ran.code, ran.err) == (2, "Name ids of notifications, or --cancel-key.\n")


def test_send_names_the_key_under_which_it_can_be_cancelled(tocsin: Run, entry: Entry) -> None:
    entry.will_answer(202, ACCEPTED)
    assert tocsin("send", "shipped", "ann", "--cancel-key", "order-1", **entry.env).code == 0
    assert entry.asked[0][3]["cancel_key"] == "order-1"


@pytest.mark.parametrize(
    ("option", "value", "field"),
    [("--delay", "3600", ("delay", 3600)), ("--send-at", "2026-12-24T07:00:00+01:00", None)],
)
def test_send_says_when(
    tocsin: Run, entry: Entry, option: str, value: str, field: tuple[str, int] | None
) -> None:
    entry.will_answer(202, ACCEPTED)
    assert tocsin("send", "shipped", "ann", option, value, **entry.env).code == 0
    name, said = field or ("send_at", value)
    assert entry.asked[0][3][name] == said


def test_send_takes_one_time(tocsin: Run, entry: Entry) -> None:
    ran = tocsin("send", "shipped", "ann", "--delay", "1", "--send-at", "2026-12-24T07:00:00Z", **entry.env)
    assert (ran.code, ran.err) == (2, "Give --delay or --send-at, not both.\n")
    assert entry.asked == []
