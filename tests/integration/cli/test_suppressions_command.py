"""`tocsin suppressions`: a file goes in by portions, with its faults by line; what comes out goes in again; and no address is printed."""

import json
from pathlib import Path
from typing import Any

from .conftest import Entry, Run

HASH = "h1.AAAAAAAAAAAAAAAA"
STORED: dict[str, Any] = {
    "channel": "email", "address_hash": HASH, "category": None, "cause": "bounce", "source": "provider", "code": "550 5.1.1",
    "notification_id": "n-1", "key_id": None, "spares_required": False, "until": None, "created_at": "2026-03-01T12:00:00Z",
}  # fmt: skip
FAULT = {"pointer": "/suppressions/1/address", "code": "email_invalid", "detail": "Not a mail address."}


def results(*words: str) -> dict[str, Any]:
    return {
        "items": [
            {"result": word, "errors": [FAULT] if word == "refused" else []} for word in words
        ]
    }  # fmt: skip


def test_a_file_is_sent_in_portions_and_faults_have_their_lines(
    tocsin: Run, entry: Entry, tmp_path: Path
) -> None:
    rows = [f"a{number}@example.com,{'complaint' if number == 0 else ''},x" for number in range(1_002)]
    (tmp_path / "list.csv").write_text("\ufeffaddress,cause,ours\n" + "\n".join(rows) + "\n")
    entry.will_answer(200, results(*["created"] * 999, "unchanged"))
    entry.will_answer(207, results("updated", "refused"))
    ran = tocsin("suppressions", "import", "list.csv", "--channel", "email", "--cause", "bounce", **entry.env)
    assert ran.code == 1
    assert ran.out.splitlines() == [
        "line 1003\temail_invalid\tNot a mail address.",
        "999 created, 1 updated, 1 unchanged, 1 refused.",
    ]
    assert "@" not in ran.out + ran.err
    (first, second) = (body["suppressions"] for *_, body in entry.asked)
    assert (len(first), len(second)) == (1_000, 2)
    common = {"channel": "email", "source": "import"}
    assert first[:2] == [
        {"address": "a0@example.com", "cause": "complaint", **common},
        {"address": "a1@example.com", "cause": "bounce", **common},
    ]
    assert {path for _, path, *_ in entry.asked} == {"/v1/suppressions/bulk"}


def test_a_long_file_says_how_far_it_is(tocsin: Run, entry: Entry, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(
        "address\n" + "".join(f"a{row}@example.com\n" for row in range(11_000))
    )
    for _ in range(11):
        entry.will_answer(200, results(*["created"] * 1_000))
    ran = tocsin("suppressions", "import", "list.csv", "--channel", "email", **entry.env)
    assert (ran.code, ran.err) == (0, "10001 lines read\n")
    assert ran.out == "11000 created, 0 updated, 0 unchanged, 0 refused.\n"


def test_on_a_terminal_a_bar_shows_how_far_it_is(
    tocsin_on_terminal: Run, entry: Entry, tmp_path: Path
) -> None:
    (tmp_path / "list.csv").write_text("address\n" + "".join(f"a{row}@example.com\n" for row in range(1_500)))
    entry.will_answer(200, results(*["created"] * 1_000))
    entry.will_answer(200, results(*["created"] * 500))
    ran = tocsin_on_terminal("suppressions", "import", "list.csv", "--channel", "email", **entry.env)
    assert "1501/1501" in ran.out
    assert "1500 created, 0 updated, 0 unchanged, 0 refused." in ran.out
    assert "@" not in ran.out


def test_what_ends_early_says_how_far_it_came_and_the_next_run_sends_all_again(
    tocsin: Run, entry: Entry, tmp_path: Path
) -> None:
    (tmp_path / "list.csv").write_text("address\n" + "".join(f"a{row}@example.com\n" for row in range(1_500)))
    words = ("suppressions", "import", "list.csv", "--channel", "email")
    entry.will_answer(200, results(*["created"] * 1_000))
    problem = {"code": "unavailable", "title": "Not now", "detail": "The database is away."}
    entry.will_answer(503, problem, kind="application/problem+json")
    ran = tocsin(*words, **entry.env)
    assert ran.code == 1
    assert ran.err.splitlines() == [
        "Not now (unavailable): The database is away.",
        "1001 lines were imported. Run it again for all: what stands stays.",
    ]
    entry.answers[:] = []
    entry.asked.clear()
    entry.will_answer(200, results(*["unchanged"] * 1_000))
    entry.will_answer(200, results(*["created"] * 500))
    again = tocsin(*words, **entry.env)
    assert (again.code, again.out) == (0, "500 created, 0 updated, 1000 unchanged, 0 refused.\n")
    assert [len(body["suppressions"]) for *_, body in entry.asked] == [1_000, 500]


def test_a_portion_of_which_nothing_is_taken_does_not_end_the_import(
    tocsin: Run, entry: Entry, tmp_path: Path
) -> None:
    (tmp_path / "list.csv").write_text("address\nnobody\n")
    problem = {"code": "batch_refused", "title": "t", "detail": "d", **results("refused")}
    entry.will_answer(422, problem, kind="application/problem+json")
    ran = tocsin("suppressions", "import", "list.csv", "--channel", "email", **entry.env)
    assert (ran.code, ran.out.splitlines()[-1]) == (1, "0 created, 0 updated, 0 unchanged, 1 refused.")


def test_a_file_that_is_none_and_a_problem_are_said_in_a_sentence(
    tocsin: Run, entry: Entry, tmp_path: Path
) -> None:
    missing = tocsin("suppressions", "import", "none.csv", **entry.env)
    assert (missing.code, missing.err) == (1, "none.csv cannot be read as CSV in UTF-8: FileNotFoundError.\n")
    (tmp_path / "list.csv").write_text("address\na@example.com\n")
    entry.will_answer(403, {"code": "scope_missing", "title": "No", "detail": "It lacks the scope."})
    refused = tocsin("suppressions", "import", "list.csv", **entry.env)
    assert refused.code == 1
    assert refused.err.splitlines()[0] == "No (scope_missing): It lacks the scope."


def test_what_is_exported_can_be_imported(tocsin: Run, entry: Entry, tmp_path: Path) -> None:
    until = STORED | {"cause": "manual", "until": "2030-01-01T00:00:00Z", "spares_required": True}
    entry.will_answer(200, {"data": [STORED], "next_cursor": "c", "has_more": True})
    entry.will_answer(200, {"data": [until], "next_cursor": None, "has_more": False})
    ran = tocsin("suppressions", "export", "--file", "out.csv", "--channel", "email", **entry.env)
    assert (ran.code, ran.out) == (0, "")
    assert [path for _, path, *_ in entry.asked] == [
        "/v1/suppressions?limit=200&channel=email",
        "/v1/suppressions?limit=200&channel=email&cursor=c",
    ]
    entry.asked.clear()
    entry.answers[:] = []
    entry.will_answer(200, results("unchanged", "unchanged"))
    assert tocsin("suppressions", "import", "out.csv", **entry.env).code == 0
    same = {"channel": "email", "address_hash": HASH, "source": "provider", "spares_required": "False"}
    assert entry.asked[0][3]["suppressions"] == [
        same | {"cause": "bounce"},
        same | {"cause": "manual", "until": "2030-01-01T00:00:00Z", "spares_required": "True"},
    ]


def test_one_is_removed_by_an_address_that_no_command_line_shows(
    tocsin: Run, entry: Entry, tmp_path: Path
) -> None:
    (tmp_path / "who").write_text("ann@example.com\n")
    entry.will_answer(200, {"removed": 2})
    ran = tocsin(
        "suppressions", "remove", "--channel", "email", "--reason", "she asked", "--address-from", "who", **entry.env
    )  # fmt: skip
    assert (ran.code, ran.out) == (0, "2 removed.\n")
    method, path, _, body = entry.asked[0]
    assert (method, path) == ("POST", "/v1/suppressions/remove")
    assert body == {"channel": "email", "reason": "she asked", "address": "ann@example.com"}


def test_what_is_removed_can_be_named_down_to_one_row(tocsin: Run, entry: Entry) -> None:
    words = ["suppressions", "remove", "--channel", "email", "--reason", "r", "--address-hash", HASH]
    named = {"channel": "email", "reason": "r", "address_hash": HASH}
    for more, said in (
        (["--cause", "manual", "--category", "*", "--spares-required"], {"cause": "manual", "category": "*", "spares_required": True}),
        (["--holds-required"], {"spares_required": False}),
    ):  # fmt: skip
        entry.asked.clear()
        entry.will_answer(200, {"removed": 1})
        assert tocsin(*words, *more, **entry.env).code == 0
        assert entry.asked[0][3] == named | said


def test_some_are_listed(tocsin: Run, entry: Entry) -> None:
    entry.will_answer(200, {"data": [STORED], "next_cursor": "c", "has_more": True})
    ran = tocsin("suppressions", "list", "--cause", "bounce", "--limit", "1", **entry.env)
    assert ran.out.splitlines() == [
        f"2026-03-01T12:00:00\temail\tbounce\tall\tfor good\tprovider\t550 5.1.1\t{HASH}"
    ]
    assert "raise --limit" in ran.err
    as_json = tocsin("suppressions", "list", "--json", **entry.env)
    assert json.loads(as_json.out)["data"] == [STORED]
