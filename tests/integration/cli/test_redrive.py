"""`tocsin redrive`: it counts first, goes only when told, shows how far it is, and steers."""

from pathlib import Path
from typing import Any

from .conftest import Entry, Run, interrupted
from .test_dead_and_refusals import LETTER

SAMPLE = {
    "notification_id": "n-1", "delivery_id": "d-1", "recipient": "ann", "workflow": "shipped", "channel": "email", "provider": "main",
    "status": "failed", "reason": "provider_error", "at": "2026-03-01T12:00:00Z", "stored_at": "2026-03-01T12:00:00.123456Z",
}  # fmt: skip
COUNTED = {"dry_run": True, "matched": 40, "not_possible": 2, "samples": [SAMPLE]}
REDRIVE: dict[str, Any] = {
    "id": "r-1", "state": "running", "notifications": {"channel": "email"}, "dead_letters": None, "rate": 50, "matched": 40, "written": 0,
    "not_possible": 0, "created_at": "2026-03-01T12:00:00.123456Z", "ended_at": None,
}  # fmt: skip


def test_without_go_it_only_counts(tocsin: Run, entry: Entry) -> None:
    entry.will_answer(200, COUNTED)
    ran = tocsin(
        "redrive", "notifications", "--channel", "email", "--provider", "main", "--since", "2026-03-01T10:00:00Z",
        "--until", "2026-03-01T11:00:00Z", "--sent-on-another-channel", **entry.env,
    )  # fmt: skip
    assert ran.code == 0
    assert ran.out.splitlines() == [
        "40 fit, 2 of them cannot be sent again. Nothing was sent: add --go to send them again.",
        "2026-03-01T12:00:00.123\temail shipped ann\tprovider_error\tn-1",
    ]
    (asked,) = entry.asked
    assert asked[:2] == ("POST", "/v1/redrives")
    assert asked[3] == {
        "notifications": {
            "channel": "email", "provider": "main", "since": "2026-03-01T10:00:00+00:00", "until": "2026-03-01T11:00:00+00:00",
            "sent_on_another_channel": True,
        },
        "all": False, "rate": 50,
    }  # fmt: skip


def test_with_go_it_begins_and_shows_how_far_it_is(tocsin: Run, entry: Entry) -> None:
    entry.will_answer(200, COUNTED)
    entry.will_answer(201, REDRIVE)
    entry.will_answer(200, REDRIVE | {"written": 20, "not_possible": 1})
    entry.will_answer(200, REDRIVE | {"written": 38, "not_possible": 2, "state": "finished"})
    ran = tocsin("redrive", "notifications", "--all", "--go", "--rate", "7", **entry.env)
    assert ran.code == 0
    assert ran.out.splitlines() == [
        "40 fit, 2 of them cannot be sent again.",
        "r-1\trunning\t0/40",
        "r-1\trunning\t21/40",
        "r-1\tfinished\t40/40",
        (
            "finished: 38 given on to be decided again, 2 not possible. The timeline of each shows what became of it; "
            "count again, without --go, what has failed again."
        ),
    ]
    assert [body for *_, body in entry.asked[:2]] == [
        {"notifications": {}, "all": True, "rate": 7},
        {"notifications": {}, "all": True, "rate": 7, "dry_run": False},
    ]


def test_on_a_terminal_there_is_a_bar(tocsin_on_terminal: Run, entry: Entry) -> None:
    entry.will_answer(200, REDRIVE)
    entry.will_answer(200, REDRIVE | {"written": 40, "state": "finished"})
    ran = tocsin_on_terminal("redrive", "watch", "r-1", **entry.env)
    assert ran.code == 0
    assert "40/40" in ran.out
    assert "━" in ran.out


def test_ctrl_c_ends_the_watching_and_says_what_goes_on(entry: Entry, tmp_path: Path) -> None:
    entry.will_answer(200, REDRIVE)
    ran = interrupted(entry, tmp_path, "redrive", "watch", "r-1", after=2)
    assert ran.code == 130
    assert ran.err.strip() == (
        "The re-drive goes on. To end it: tocsin redrive stop r-1; to watch it: tocsin redrive watch r-1"
    )


def test_dead_letters_and_json(tocsin: Run, entry: Entry) -> None:
    entry.will_answer(200, {"dry_run": True, "matched": 1, "not_possible": 0, "samples": [LETTER]})
    ran = tocsin("redrive", "dead-letters", "--reason", "data_invalid", "--without-tenant", **entry.env)
    assert (
        ran.out.splitlines()[1] == f"2026-03-01T12:00:00.123\tevents /shop o-1\tdata_invalid\t{LETTER['id']}"
    )
    assert entry.asked[0][3]["dead_letters"] == {"reason": "data_invalid", "without_tenant": True}
    ran = tocsin("redrive", "dead-letters", "--kind", "events", "--json", **entry.env)
    assert ran.json["matched"] == 1


def test_they_are_listed_and_steered(tocsin: Run, entry: Entry) -> None:
    entry.will_answer(200, {"data": [REDRIVE], "next_cursor": None, "has_more": False})
    row = "2026-03-01T12:00:00.123\trunning\t0\t0\t40\t50\tnotifications\tr-1\n"
    assert tocsin("redrive", "list", **entry.env).out == row
    entry.answers.clear()
    entry.will_answer(200, REDRIVE)
    for action in ("pause", "resume", "stop"):
        assert tocsin("redrive", action, "r-1", **entry.env).out == row
        assert entry.asked[-1][:2] == ("POST", f"/v1/redrives/r-1/{action}")


def test_a_refusal_is_a_sentence(tocsin: Run, entry: Entry) -> None:
    fault = {
        "pointer": "/notifications/reason",
        "code": "word_unknown",
        "detail": "Unknown reason. Known: a, b.",
    }
    entry.will_answer(
        422, {"title": "The request has faults", "code": "invalid_request", "detail": "", "errors": [fault]}
    )
    ran = tocsin("redrive", "notifications", "--reason", "luck", "--go", **entry.env)
    assert (ran.code, len(entry.asked)) == (1, 1)
    assert "/notifications/reason: Unknown reason. Known: a, b." in ran.err
