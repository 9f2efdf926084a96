"""`tocsin webhooks recover`: a re-drive over one endpoint, counted first."""

from .conftest import Entry, Run
from .test_redrive import COUNTED, REDRIVE

MISSED = {"channel": "webhook", "address_key": "shop", "since": "2026-03-01T10:00:00+00:00"}


def test_without_go_it_only_counts(tocsin: Run, entry: Entry) -> None:
    entry.will_answer(200, COUNTED)
    ran = tocsin("webhooks", "recover", "shop", "--since", "2026-03-01T10:00:00Z", **entry.env)
    assert ran.code == 0
    assert ran.out.startswith(
        "40 fit, 2 of them cannot be sent again. Nothing was sent: add --go to send them again."
    )
    (asked,) = entry.asked
    assert asked[:2] == ("POST", "/v1/redrives")
    assert asked[3] == {"notifications": MISSED, "all": False, "rate": 50}


def test_with_go_it_sends_and_shows_how_far_it_is(tocsin: Run, entry: Entry) -> None:
    entry.will_answer(200, COUNTED)
    entry.will_answer(201, REDRIVE)
    entry.will_answer(200, REDRIVE | {"written": 38, "not_possible": 2, "state": "finished"})
    ran = tocsin(
        "webhooks", "recover", "shop", "--since", "2026-03-01T10:00:00Z", "--go", "--rate", "7", **entry.env
    )
    assert ran.code == 0
    assert "r-1\tfinished\t40/40" in ran.out
    assert entry.asked[1][3] == {"notifications": MISSED, "all": False, "rate": 7, "dry_run": False}


def test_since_has_to_be_said(tocsin: Run, entry: Entry) -> None:
    assert tocsin("webhooks", "recover", "shop", **entry.env).code == 2
    assert entry.asked == []
