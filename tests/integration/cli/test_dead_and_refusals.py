"""`tocsin dead` and `tocsin refusals`: what they ask, what a person reads, and that following loses nothing."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from .conftest import Entry, Run, interrupted

LETTER: dict[str, Any] = {
    "id": "11111111-0000-5000-8000-000000000001", "stored_at": "2026-03-01T12:00:00.123456Z", "at": "2026-03-01T12:00:00Z",
    "service": "router", "kind": "events", "reason": "data_invalid", "detail": "/data: must be an object.", "tenant": "acme",
    "event_source": "/shop", "event_id": "o-1", "origin": "tocsin.events.bulk/0/17",
}  # fmt: skip
WHOLE: dict[str, Any] = {
    **LETTER, "key": None, "value": {"text": "[1]", "base64": None},
    "headers": [{"name": "ce_id", "value": {"text": None, "base64": "/w=="}}],
    "left_out": {"key_bytes": 5000, "key_sha256": "abc", "value_bytes": 0, "value_sha256": None},
}  # fmt: skip


def page(*details: str, cursor: str | None = None, more: bool = False) -> dict[str, Any]:
    return {
        "data": [{**LETTER, "detail": detail} for detail in details], "next_cursor": cursor, "has_more": more
    }  # fmt: skip


def queries(entry: Entry) -> list[dict[str, str]]:
    """The parameters of each request."""
    return [
        {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
        for _, path, *_ in entry.asked
    ]


def test_a_list_asks_what_is_given_and_prints_a_line_for_each(tocsin: Run, entry: Entry) -> None:
    entry.will_answer(200, page("one", "two", cursor="c", more=True))
    ran = tocsin(
        "dead", "list", "--reason", "data_invalid", "--service", "router", "--source", "/shop", "--kind", "events",
        "--since", "2026-03-01T00:00:00Z", "--without-tenant", "--limit", "2", **entry.env,
    )  # fmt: skip
    assert ran.code == 0
    assert [line.split("\t") for line in ran.out.splitlines()] == [
        ["2026-03-01T12:00:00.123", "router", "events", "data_invalid", "/shop", "o-1", detail, LETTER["id"]]
        for detail in ("one", "two")
    ]
    assert ran.err == "There are more than these 2: narrow them down, or raise --limit.\n"
    assert queries(entry) == [
        {
            "reason": "data_invalid", "service": "router", "source": "/shop", "kind": "events",
            "since": "2026-03-01T00:00:00+00:00", "without_tenant": "true", "limit": "2",
        }
    ]  # fmt: skip


def test_sources_are_a_line_each(tocsin: Run, entry: Entry) -> None:
    row = {
        "event_source": "/shop", "reason": "data_invalid", "letters": 6273, "last_id": LETTER["id"],
        "first_stored_at": LETTER["stored_at"], "last_stored_at": LETTER["stored_at"],
    }  # fmt: skip
    entry.will_answer(200, {"data": [row, row | {"event_source": None, "letters": 2}]})
    ran = tocsin("dead", "sources", "--since", "2026-03-01T00:00:00Z", "--without-tenant", **entry.env)
    assert [line.split("\t") for line in ran.out.splitlines()] == [
        ["6273", "/shop", "data_invalid", "2026-03-01T12:00:00.123", LETTER["id"]],
        ["2", "", "data_invalid", "2026-03-01T12:00:00.123", LETTER["id"]],
    ]
    assert queries(entry) == [{"since": "2026-03-01T00:00:00+00:00", "without_tenant": "true"}]


def test_a_list_and_a_letter_in_json_are_the_answers_as_they_came(tocsin: Run, entry: Entry) -> None:
    entry.will_answer(200, page("one"))
    assert tocsin("dead", "list", "--json", **entry.env).json == page("one")
    assert queries(entry) == [{"limit": "50"}]
    entry.answers.clear()
    entry.will_answer(200, WHOLE)
    assert tocsin("dead", "show", LETTER["id"], "--json", **entry.env).json == WHOLE
    assert entry.asked[1][1] == f"/v1/dead-letters/{LETTER['id']}"


def test_one_letter_shows_the_record_and_what_was_left_out(tocsin: Run, entry: Entry) -> None:
    entry.will_answer(200, WHOLE)
    ran = tocsin("dead", "show", LETTER["id"], **entry.env)
    assert dict(line.split("\t") for line in ran.out.splitlines()) == {
        "id": LETTER["id"], "stored_at": LETTER["stored_at"], "service": "router", "kind": "events", "reason": "data_invalid",
        "detail": LETTER["detail"], "tenant": "acme", "event_source": "/shop", "event_id": "o-1", "origin": LETTER["origin"],
        "left out: key_bytes": "5000", "left out: key_sha256": "abc", "header ce_id": "base64: /w==", "key": "(none)",
        "value": "[1]",
    }  # fmt: skip


def test_on_a_terminal_both_are_tables(tocsin_on_terminal: Run, entry: Entry) -> None:
    entry.will_answer(200, page("one"))
    assert "stored (UTC)" in tocsin_on_terminal("dead", "list", **entry.env).out
    entry.answers.clear()
    entry.will_answer(200, WHOLE)
    assert "as it is" in tocsin_on_terminal("dead", "show", LETTER["id"], **entry.env).out


def test_ids_and_times_stay_whole_on_a_narrow_terminal(tocsin_on_terminal: Run, entry: Entry) -> None:
    entry.will_answer(200, page("a sentence that is long enough to need several lines of its own column"))
    shown = tocsin_on_terminal("dead", "list", COLUMNS="120", **entry.env).out
    assert LETTER["id"] in shown
    assert LETTER["stored_at"][:23] in shown


@pytest.mark.parametrize("since", ["yesterday", "5", "2026-03-01T00:00:00"])
def test_a_time_that_cannot_be_meant_is_refused_before_asking(tocsin: Run, entry: Entry, since: str) -> None:
    for command in (("dead", "list"), ("refusals",)):
        ran = tocsin(*command, "--since", since, **entry.env)
        assert (ran.code, ran.err.startswith("--since must be a time ago")) == (2, True)
    assert entry.asked == []


def test_refusals_are_read_to_their_end_oldest_first(tocsin: Run, entry: Entry) -> None:
    entry.will_answer(200, page("one", cursor="c1", more=True))
    entry.will_answer(200, page("two\x1b[2J", cursor="c2"))
    ran = tocsin("refusals", **entry.env)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        "2026-03-01T12:00:00.123\t/shop\to-1\tdata_invalid\tone",
        "2026-03-01T12:00:00.123\t/shop\to-1\tdata_invalid\ttwo\ufffd[2J",
    ]
    first, second = queries(entry)
    assert (first["order"], second["cursor"]) == ("oldest", "c1")
    ago = datetime.now(UTC) - datetime.fromisoformat(first["since"])
    assert timedelta(hours=24) <= ago < timedelta(hours=25)


def test_following_goes_on_while_the_entry_is_away_and_says_how_to_go_on(
    entry: Entry, tmp_path: Path
) -> None:
    entry.will_answer(200, page("one", cursor="c1"))
    entry.will_answer(503, {"title": "Not ready"})
    entry.will_answer(503, {"title": "Not ready"})
    entry.will_answer(200, page("two", cursor="c2"))
    entry.will_answer(200, page(cursor="c2"))
    ran = interrupted(entry, tmp_path, "refusals", "--follow", "--every", "0.1", after=6)
    assert ran.code == 130
    assert [line.split("\t")[-1] for line in ran.out.splitlines()] == ["one", "two"]
    assert ran.err.splitlines() == [
        "The entry answered 503. Asking again until it is back; nothing is lost meanwhile.",
        "",
        "To go on: tocsin refusals --follow --cursor c2",
    ]
    assert [query.get("cursor") for query in queries(entry)][:5] == [None, "c1", "c1", "c1", "c2"]


def test_an_earlier_cursor_is_gone_on_with(tocsin: Run, entry: Entry) -> None:
    entry.will_answer(200, page("three", cursor="c3"))
    assert tocsin("refusals", "--cursor", "c2", **entry.env).out.endswith("\tthree\n")
    assert queries(entry) == [{"order": "oldest", "limit": "200", "cursor": "c2"}]


def test_a_key_that_may_not_read_and_an_entry_that_is_not_there_end_it(tocsin: Run, entry: Entry) -> None:
    entry.will_answer(
        403, {"title": "The API key lacks the scope", "code": "scope_missing", "detail": "Needs `read`."}
    )
    ran = tocsin("refusals", "--follow", **entry.env)
    assert (ran.code, ran.err) == (1, "The API key lacks the scope (scope_missing): Needs `read`.\n")
    ran = tocsin("refusals", "--follow", "--url", "http://127.0.0.1:1", "--key", "k")
    assert (ran.code, ran.err.startswith("No answer from the entry: ")) == (1, True)
